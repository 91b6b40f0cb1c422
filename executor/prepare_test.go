package executor

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/test/fakeengine"
)

// with adds fields to the smallest valid payload.
func with(fields string) string {
	return `{"id": 1000, "job_info": {"project_id": 42}, "git_info": {"repo_url": "https://t:p@gitlab.example.com/g/a.git", "protected": false}, ` + fields + `"token": ""}`
}

// hook calls a hook for a job as the Runner does, on the given engine.
func hook(t *testing.T, e *fakeengine.Engine, text string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return hookWith(t, e, nil, text, args...)
}

// Tests look at the objects left after the process behind a cleanup has ended.
func init() {
	letGo = func(command string, p *os.Process) {
		if command == "finish" {
			_, _ = p.Wait()
			return
		}
		_ = p.Release()
	}
}

// hookWith is hook with further variables of the environment.
func hookWith(t *testing.T, e *fakeengine.Engine, env []string, text string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	dir := t.TempDir()
	payload, settings := filepath.Join(dir, "response.json"), filepath.Join(dir, "dind.toml")
	for file, content := range map[string]string{payload: text, settings: "[engine]\nhost = \"" + e.Host + "\"\n"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, log bytes.Buffer
	code = Main(append([]string{"--settings", settings}, args...), append([]string{
		"JOB_RESPONSE_FILE=" + payload, "BUILD_FAILURE_EXIT_CODE=98", "SYSTEM_FAILURE_EXIT_CODE=99",
	}, env...), &out, &log)
	return code, out.String(), log.String()
}

func TestAJobWithStepsEndsBeforeAnythingIsMade(t *testing.T) {
	e := fakeengine.New(t)
	for _, run := range []string{`"[{\"name\": \"a\", \"step\": \"./a\"}]"`, `[{"name": "a", "step": "./a"}]`} {
		code, _, log := hook(t, e, with(`"run": `+run+`, "steps": [{"name": "script", "script": ["step-runner ci"]}], `), "prepare")
		if code != 98 || !strings.Contains(log, "error: the job has steps (run:), and this runner runs only scripts") || !strings.Contains(log, "\nhint: write the job with script:") {
			t.Errorf("exit code %d, log %q", code, log)
		}
	}
	if made := e.Objects(); len(made) != 0 {
		t.Errorf("made %q", made)
	}
}

func TestWhatTheSettingsForbidEndsTheJobBeforeAnythingIsMade(t *testing.T) {
	e := fakeengine.New(t)
	code, _, log := hook(t, e, with(`"services": [{"name": "evil.example.com/docker:dind", "alias": "docker"}], `), "prepare")
	if code != 98 || !strings.Contains(log, "image evil.example.com/docker:dind may not be the docker daemon") || !strings.Contains(log, "\nhint: ") {
		t.Errorf("exit code %d, log %q", code, log)
	}
	if made := e.Objects(); len(made) != 0 {
		t.Errorf("made %q", made)
	}
}

func TestAnEnginesFaultIsTriedAgainByTheRunner(t *testing.T) {
	e := fakeengine.New(t)
	e.Always("POST /networks/create", fakeengine.Refuse(500, "the engine is in a bad way"))
	code, _, log := hook(t, e, with(""), "prepare")
	if code != 99 || !strings.Contains(log, "making the sandbox's network: ") {
		t.Errorf("exit code %d, log %q", code, log)
	}
}

func TestPrepareRemovesWhatAnEarlierAttemptLeft(t *testing.T) {
	e := fakeengine.New(t)
	for range 2 {
		if code, _, log := hook(t, e, with(""), "prepare"); code != 0 || !strings.Contains(log, "(new daemon)\n") {
			t.Fatalf("exit code %d, log %q", code, log)
		}
	}
	networks := slices.DeleteFunc(e.Objects(), func(o string) bool { return !strings.HasPrefix(o, "network ") })
	if len(networks) != 1 {
		t.Errorf("two attempts left %q", e.Objects())
	}
	code, stdout, log := hook(t, e, with(""), "cleanup")
	if code != 0 || stdout != "" || log != "" {
		t.Errorf("exit code %d, said %q and %q", code, stdout, log)
	}
	// The cache and the layers are for the jobs to come.
	if left := slices.Sorted(slices.Values(e.Objects())); len(left) != 5 || !strings.HasPrefix(left[0], "volume dind-cache-") || !strings.HasPrefix(left[2], "volume dind-data-") ||
		!strings.HasPrefix(left[1], left[0]+"-used-") || left[3] != left[2]+"-clean" || !strings.HasPrefix(left[4], left[2]+"-used-") {
		t.Errorf("left %q", left)
	}
	if code, _, log := hook(t, e, with(""), "cleanup"); code != 0 || log != "" {
		t.Errorf("cleanup again: exit code %d, log %q", code, log)
	}
}

func TestAStageWithoutAJobContainerSaysWhy(t *testing.T) {
	e := fakeengine.New(t)
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("true"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, stage := range []string{"build_script", "get_sources"} {
		code, _, log := hook(t, e, with(""), "run", script, stage)
		if code != 99 || !strings.Contains(log, "the job's container is gone") || !strings.Contains(log, "hint: ") {
			t.Errorf("%s: exit code %d, log %q", stage, code, log)
		}
	}
}

func TestGCDoesNotSayThatItRemovedWhatIsLeft(t *testing.T) {
	e := fakeengine.New(t)
	settings, file := withLog(t, e, "")
	for _, id := range []string{"aaaaaaaaaaaa", "bbbbbbbbbbbb"} {
		e.AddVolume("dind-"+id+"-data", map[string]string{"gitlab-dind-executor.sandbox": id, "gitlab-dind-executor.role": "data"})
	}
	// For the first sandbox, the look before its removal fails.
	e.Script("GET /volumes", nil, nil, nil, fakeengine.Refuse(http.StatusInternalServerError, "the engine is in a bad way"))
	code, stdout, log := hook(t, e, with(""), "--settings", settings, "gc")
	if code == 0 || stdout != "removed sandbox bbbbbbbbbbbb (1 objects): its network is gone\n" || !strings.Contains(log, "in a bad way") {
		t.Errorf("exit code %d, said %q and %q", code, stdout, log)
	}
	if list, raw := logged(t, file); list[0].Swept != 1 {
		t.Errorf("%s", raw)
	}
}

func TestGCRemovesOrphansAndSaysSo(t *testing.T) {
	e := fakeengine.New(t)
	e.AddVolume("dind-aaaaaaaaaaaa-data", map[string]string{"gitlab-dind-executor.sandbox": "aaaaaaaaaaaa", "gitlab-dind-executor.role": "data"})
	for _, c := range []struct{ args, want string }{
		{"gc --dry-run", "would remove sandbox aaaaaaaaaaaa (1 objects): its network is gone\n"},
		{"gc", "removed sandbox aaaaaaaaaaaa (1 objects): its network is gone\n"},
		{"gc", "nothing to remove\n"},
	} {
		if code, stdout, log := hook(t, e, with(""), strings.Fields(c.args)...); code != 0 || stdout != c.want || log != "" {
			t.Errorf("%s: exit code %d, said %q and %q", c.args, code, stdout, log)
		}
	}
}
