package driver

import "testing"

func TestArchitectureOfTheHelperImage(t *testing.T) {
	for goarch, want := range map[string]string{"amd64": "x86_64", "arm64": "arm64", "s390x": "s390x"} {
		if got := helperArch(goarch); got != want {
			t.Errorf("%s: got %s", goarch, got)
		}
	}
}

func TestTheSmallerMTUCounts(t *testing.T) {
	for _, c := range [][3]int{{1450, 1500, 1450}, {1500, 1400, 1400}, {0, 1400, 1400}, {1400, 1400, 1400}} {
		if got := smaller(c[0], c[1]); got != c[2] {
			t.Errorf("of %d and %d: %d", c[0], c[1], got)
		}
	}
}
