package config

import (
	"strings"
	"testing"
)

func TestLimitsAreReadAsDockerRunTakesThem(t *testing.T) {
	s, err := Parse("dind.toml", []byte(`
[limits.sidecar]
cpus = 1.5
memory = "4g"
pids = 4096
[limits.job]
cpus = 2
memory = "64m"
[[policy]]
limits.job.memory = "0"
limits.job.pids = 10
limits.helper.cpus = 0.5
`))
	if err != nil {
		t.Fatal(err)
	}
	if want := (Limit{CPUs: 1.5, Memory: 4 << 30, PIDs: 4096}); s.Limits.Sidecar != want {
		t.Errorf("the sidecar's limit is %+v", s.Limits.Sidecar)
	}
	got := s.Policies[0].Limits.On(s.Limits)
	want := Limits{Sidecar: s.Limits.Sidecar, Job: Limit{CPUs: 2, PIDs: 10}, Helper: Limit{CPUs: 0.5}}
	if got != want {
		t.Errorf("the policy makes %+v of it, want %+v", got, want)
	}
}

func TestSizesAreWrittenAsPeopleReadThem(t *testing.T) {
	for size, want := range map[Size]string{0: "0 B", 64 << 20: "64 MB", 3 << 29: "1.5 GB", 100_000 << 30: "97.66 TB"} {
		if got := size.String(); got != want {
			t.Errorf("%d is written %q, want %q", int64(size), got, want)
		}
	}
}

func TestALimitThatIsNoNumberIsAFault(t *testing.T) {
	for _, value := range []string{"nan", "inf", "-inf", "-1", "0.001"} {
		_, err := Parse("dind.toml", []byte("[limits.job]\ncpus = "+value))
		if err == nil || !strings.Contains(err.Error(), "limits.job.cpus: must be 0 or from 0.01 to 4096") {
			t.Errorf("%s: error %v", value, err)
		}
	}
}
