package executor

import (
	"strings"
	"testing"

	"gitlab-dind-executor/executor/telemetry"
	"gitlab-dind-executor/test/fakeengine"
)

// Every command of an admin reports a volume that resists, until gc can remove the volume.
func TestAVolumeThatResistsIsToldUntilItIsGone(t *testing.T) {
	e := fakeengine.New(t)
	settings, file := withLog(t, e, alone)
	call := func(want int, args ...string) (said string) {
		t.Helper()
		code, out, log := hook(t, e, with(""), append([]string{"--settings", settings}, args...)...)
		if code != want {
			t.Fatalf("%q: exit code %d, want %d: %s%s", args, code, want, out, log)
		}
		return out + log
	}
	const builds = "dind-aaaaaaaaaaaa-builds"
	e.AddVolume(builds, map[string]string{"gitlab-dind-executor.sandbox": "aaaaaaaaaaaa", "gitlab-dind-executor.role": "builds"})
	e.Immutable(builds, true)
	e.OnProgram = func(*fakeengine.Container) int { return 1 }
	for range 2 {
		said := call(99, "gc")
		if !strings.Contains(said, "error: removing volume "+builds+": operation not permitted") || !strings.Contains(said, "hint: gitlab-dind-executor gc tries again") ||
			strings.Contains(said, "nothing to remove") || strings.Contains(said, "removed ") {
			t.Errorf("gc says:\n%s", said)
		}
	}
	if said := call(0, "status"); !strings.Contains(said, "volume "+builds+" resists its removal: operation not permitted\nhint: gitlab-dind-executor gc ") ||
		!strings.Contains(said, "orphan") {
		t.Errorf("status says:\n%s", said)
	}
	if said := call(0, "status", "--json"); !strings.Contains(said, `"stuck":[{"name":"`+builds+`"`) {
		t.Errorf("status says:\n%s", said)
	}
	list, raw := logged(t, file)
	if last := list[len(list)-1]; last.Command != "gc" || last.FailedRemovals != 1 || last.Class != telemetry.OfSystem || !strings.Contains(last.Error, builds) {
		t.Errorf("the operator's log:\n%s", raw)
	}
	if said := call(0, "metrics"); !strings.Contains(said, "\ngitlab_dind_executor_failed_removals_total 2\n") {
		t.Errorf("metrics:\n%s", said)
	}
	if said := call(0, "gc", "--dry-run"); !strings.Contains(said, "would remove volume "+builds+", which resisted: operation not permitted\n") {
		t.Errorf("gc --dry-run says:\n%s", said)
	}
	e.OnProgram = nil
	if said := call(0, "gc"); !strings.Contains(said, "removed volume "+builds+", which resisted: operation not permitted\n") || len(e.Objects()) != 0 {
		t.Errorf("gc says:\n%s\nand left %q", said, e.Objects())
	}
	if said := call(0, "metrics"); !strings.Contains(said, "\ngitlab_dind_executor_failed_removals_total 2\n") {
		t.Errorf("metrics:\n%s", said)
	}
	if said := call(0, "status"); strings.Contains(said, "resists") {
		t.Errorf("status says:\n%s", said)
	}
}
