package executor

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/test/fakeengine"
)

// stageScript writes a script as the Runner leaves one for a stage.
func stageScript(t *testing.T) string {
	t.Helper()
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("true"), 0o700); err != nil {
		t.Fatal(err)
	}
	return script
}

// absent keeps the engine away for the first attempt of any caller.
func absent(e *fakeengine.Engine) {
	e.Script("GET /_ping", slices.Repeat([]fakeengine.Answer{fakeengine.Cut()}, 2)...)
}

// A restart of an engine with live-restore costs a job seconds, not the job.
func TestAStageWaitsForAnEngineThatRestarts(t *testing.T) {
	e := fakeengine.New(t)
	if code, _, log := hook(t, e, with(""), "prepare"); code != 0 {
		t.Fatalf("exit code %d, log %q", code, log)
	}
	absent(e)
	code, _, log := hook(t, e, with(""), "run", stageScript(t), "get_sources")
	if code != 0 || !strings.Contains(log, "the docker engine does not answer, waiting for it") {
		t.Errorf("exit code %d, log %q", code, log)
	}
}

// Cleanup still writes the bundle of a failed job, and prints nothing about a wait with a
// good end.
func TestCleanupWaitsForAnEngineThatRestarts(t *testing.T) {
	e := fakeengine.New(t)
	if code, _, log := hook(t, e, with(""), "prepare"); code != 0 {
		t.Fatalf("exit code %d, log %q", code, log)
	}
	absent(e)
	state := t.TempDir()
	code, stdout, log := hookWith(t, e, []string{"CUSTOM_ENV_CI_JOB_STATUS=failed", "XDG_STATE_HOME=" + state}, with(""), "cleanup")
	if code != 0 || stdout != "" || log != "" {
		t.Errorf("exit code %d, said %q and %q", code, stdout, log)
	}
	if kept, err := filepath.Glob(filepath.Join(state, "*", "*.json")); err != nil || len(kept) != 1 {
		t.Errorf("kept %q (%v)", kept, err)
	}
	for _, left := range e.Objects() {
		// Cache and layers are for the jobs to come.
		if !strings.HasPrefix(left, "volume dind-cache-") && !strings.HasPrefix(left, "volume dind-data-") {
			t.Errorf("left %q", left)
		}
	}
}
