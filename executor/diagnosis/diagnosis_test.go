package diagnosis

import (
	"strings"
	"testing"

	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/stages"
)

func TestTheSidecarsEndExplainsAllElse(t *testing.T) {
	for name, c := range map[string]struct {
		state  looking.SidecarState
		ending stages.Ending
		want   string
	}{
		"out of memory":    {looking.SidecarState{Known: true, ExitCode: 137, OutOfMemory: true}, stages.EndedFromInside, "ran out of memory"},
		"ended":            {looking.SidecarState{Known: true, ExitCode: 2}, stages.EndingUnknown, "has ended (exit code 2)"},
		"ended by the job": {looking.SidecarState{Known: true}, stages.EndedFromInside, "has ended by itself (exit code 0)"},
	} {
		t.Run(name, func(t *testing.T) {
			d, ok := Of(Failure{Output: "Cannot connect to the Docker daemon at tcp://docker:2376. Is the docker daemon running?", Sidecar: c.state, Ending: c.ending})
			if !ok || !strings.Contains(d.Line, c.want) {
				t.Errorf("got %+v", d)
			}
		})
	}
}

func TestTheTailKeepsTheEnd(t *testing.T) {
	var end Tail
	for range 100 {
		if n, err := end.Write([]byte(strings.Repeat("x", 1000))); n != 1000 || err != nil {
			t.Fatal(n, err)
		}
	}
	_, _ = end.Write([]byte("the end"))
	if got := end.String(); len(got) > tailSize || !strings.HasSuffix(got, "the end") {
		t.Errorf("%d bytes, ending in %q", len(got), got[max(0, len(got)-20):])
	}
}

func TestWhatRanOutOfMemoryIsNamedWithItsSetting(t *testing.T) {
	for role, c := range map[plan.Role]struct{ line, hint string }{
		plan.RoleSidecar: {"the docker daemon of this job, or a container or build in it, ran out of memory: the limit is 64 MB", "limits.sidecar.memory"},
		plan.RoleJob:     {"the job's script ran out of memory: the limit is 64 MB", "limits.job.memory"},
		plan.RoleHelper:  {"the helper, which clones and caches, ran out of memory: the limit is 64 MB", "limits.helper.memory"},
		plan.RoleService: {"service redis:7 ran out of memory: the limit is 64 MB", "limits.services.memory"},
	} {
		got := OutOfMemory(stages.OutOfMemory{Role: role, Name: "redis:7", Limit: 64 << 20})
		if got.Line != c.line || !strings.Contains(got.Hint, c.hint) {
			t.Errorf("%s: %+v", role, got)
		}
		got = OutOfMemory(stages.OutOfMemory{Role: role, Name: "redis:7"})
		if strings.Contains(got.Line+got.Hint, "limits.") {
			t.Errorf("%s without a limit: %+v", role, got)
		}
	}
}
