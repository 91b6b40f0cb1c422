package engine

import (
	"encoding/json"
	"testing"

	"github.com/docker/docker/api/types/container"
)

// File cache that the kernel could drop is not a container's memory. After a pull the cache was
// nine tenths of the peak reported by cgroups v1.
func TestMemoryIsWithoutWhatTheKernelCouldForget(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		want   int64
	}{
		"cgroup v1":                {`{"usage": 910000000, "max_usage": 910163968, "stats": {"cache": 830000000, "total_inactive_file": 829000000, "inactive_file": 1000}}`, 81000000},
		"cgroup v2":                {`{"usage": 910000000, "stats": {"file": 830000000, "inactive_file": 829000000, "anon": 70000000}}`, 81000000},
		"nothing kept":             {`{"usage": 81000000, "stats": {"inactive_file": 0}}`, 81000000},
		"a kernel that says less":  {`{"usage": 81000000}`, 81000000},
		"more kept than there was": {`{"usage": 10, "stats": {"inactive_file": 20}}`, 0},
	} {
		var m container.MemoryStats
		if err := json.Unmarshal([]byte(c.answer), &m); err != nil {
			t.Fatal(err)
		}
		if got := InUse(m); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
