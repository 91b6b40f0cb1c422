package executor

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitlab-dind-executor/test/fakeengine"
)

// holding runs a hook with settings that hold failed jobs.
func holding(t *testing.T, e *fakeengine.Engine, env []string, args ...string) (code int, out, log string) {
	t.Helper()
	dir := t.TempDir()
	payload, settings := filepath.Join(dir, "response.json"), filepath.Join(dir, "dind.toml")
	text := "[engine]\nhost = \"" + e.Host + "\"\n[cleanup]\nhold_failed = \"30m\"\n[bundles]\nmax_age = \"0s\"\n[cache]\nvolume = false\nlayers = \"off\"\n"
	for file, content := range map[string]string{payload: with(""), settings: text} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var stdout, stderr bytes.Buffer
	code = Main(append([]string{"--settings", settings}, args...), append([]string{
		"JOB_RESPONSE_FILE=" + payload, "BUILD_FAILURE_EXIT_CODE=98", "SYSTEM_FAILURE_EXIT_CODE=99",
	}, env...), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestOnlyFailedJobsAreHeldAndTheLogSaysHowToLookInside(t *testing.T) {
	for status, held := range map[string]bool{"failed": true, "success": false, "canceled": false, "": false} {
		t.Run("a job that ends as "+status, func(t *testing.T) {
			e := fakeengine.New(t)
			e.OnScript = func(string) (string, int) { return "", 3 }
			if code, _, log := holding(t, e, nil, "prepare"); code != 0 {
				t.Fatalf("exit code %d, log %q", code, log)
			}
			e.ExecCode = 3
			if code, out, log := holding(t, e, nil, "run", stageScript(t), "get_sources"); code != 98 ||
				!strings.Contains(out, "held for 30m, for the runner's admin to look inside: gitlab-dind-executor shell 1000\n") {
				t.Errorf("exit code %d, said %q and %q", code, out, log)
			}
			e.ExecCode = 0
			if code, out, log := holding(t, e, []string{"CUSTOM_ENV_CI_JOB_STATUS=" + status}, "cleanup"); code != 0 || out+log != "" {
				t.Errorf("exit code %d, said %q and %q", code, out, log)
			}
			if left := e.Objects(); (len(left) > 0) != held {
				t.Errorf("left are %q", left)
			}
			if !held {
				return
			}
			if code, out, log := holding(t, e, nil, "gc"); code != 0 || out != "nothing to remove\n" {
				t.Errorf("gc: exit code %d, said %q and %q", code, out, log)
			}
			if code, out, log := holding(t, e, nil, "gc", "--held"); code != 0 || !strings.Contains(out, "it was held for a look inside") || len(e.Objects()) > 0 {
				t.Errorf("gc --held: exit code %d, said %q and %q, left %q", code, out, log, e.Objects())
			}
		})
	}
}

func TestAFaultOfTheEngineHoldsNothingAndLeavesNothing(t *testing.T) {
	e := fakeengine.New(t)
	if code, _, log := holding(t, e, nil, "prepare"); code != 0 {
		t.Fatalf("exit code %d, log %q", code, log)
	}
	e.Script("POST /volumes/create", fakeengine.Refuse(500, "no space left on device"))
	code, _, log := holding(t, e, []string{"CUSTOM_ENV_CI_JOB_STATUS=failed"}, "cleanup")
	if code != 0 || !strings.Contains(log, "warning: the failed job's sandbox is not held: holding the sandbox: ") || len(e.Objects()) > 0 {
		t.Errorf("exit code %d, said %q, left %q", code, log, e.Objects())
	}
}
