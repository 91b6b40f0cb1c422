package host

import "testing"

func TestTheMemoryThatIsAvailable(t *testing.T) {
	for table, want := range map[string]int64{
		"MemTotal:       24684092 kB\nMemFree: 1 kB\nMemAvailable:   24135004 kB\n": 24135004 << 10,
		"MemTotal: 1 kB\n":      -1,
		"MemAvailable: -5 kB\n": -1,
		"MemAvailable: x kB\n":  -1,
		"":                      -1,
	} {
		if got := memAvailable([]byte(table)); got != want {
			t.Errorf("%q has %d bytes, want %d", table, got, want)
		}
	}
}
