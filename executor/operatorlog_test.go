package executor

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/executor/payload"
	"gitlab-dind-executor/executor/telemetry"
	"gitlab-dind-executor/test/fakeengine"
)

// logged returns the records of the operator's log, and its raw text.
func logged(t *testing.T, file string) ([]telemetry.Record, string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var list []telemetry.Record
	for line := range strings.Lines(string(b)) {
		var r telemetry.Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		list = append(list, r)
	}
	return list, string(b)
}

// withLog writes settings with a log in a directory of the test's.
func withLog(t *testing.T, e *fakeengine.Engine, more string) (settings, file string) {
	t.Helper()
	dir := t.TempDir()
	settings, file = filepath.Join(dir, "dind.toml"), filepath.Join(dir, "state", "operator.log")
	if err := os.WriteFile(settings, []byte("[engine]\nhost = \""+e.Host+"\"\n[log]\nfile = \""+file+"\"\n"+more), 0o600); err != nil {
		t.Fatal(err)
	}
	return settings, file
}

func TestEachHookIsALineOfTheOperatorsLog(t *testing.T) {
	const secret = "hunter2hunter2"
	payload := with(`"variables": [{"key": "PASSWORD", "value": "` + secret + `"}], "credentials": [{"type": "registry", "url": "docker.io", "username": "u", "password": "` + secret + `"}], `)
	e := fakeengine.New(t)
	settings, file := withLog(t, e, "level = \"debug\"\n"+alone)
	for _, h := range []string{"config", "prepare", "cleanup"} {
		if code, _, log := hook(t, e, payload, "--settings", settings, h); code != 0 {
			t.Fatalf("%s: exit code %d, %s", h, code, log)
		}
	}
	list, raw := logged(t, file)
	if strings.Contains(raw, secret) {
		t.Errorf("it holds a secret:\n%s", raw)
	}
	if !strings.Contains(raw, `"msg":"POST /containers/create","span":"prepare","job":"`) {
		t.Errorf("no call of the engine:\n%s", raw)
	}
	var hooks []string
	for _, r := range list {
		if r.Result == "" {
			continue // a call of the engine
		}
		if r.Command == "finish" && r.Result == telemetry.Success && strings.HasSuffix(r.Behind, "/1000") {
			continue // the rest of the cleanup
		}
		hooks = append(hooks, r.Hook)
		if r.JobID != 1000 || !strings.HasSuffix(r.Job, "/1000") || r.Result != telemetry.Success || r.Project == "" || r.PID == 0 {
			t.Errorf("%+v", r)
		}
		if r.Hook == "prepare" {
			if r.Origin != telemetry.Cold || len(r.Sandbox) != 12 || r.Seconds <= 0 || r.Pulls == 0 {
				t.Errorf("%+v", r)
			}
			for _, phase := range []string{"engine", "plan", "room", "sandbox"} {
				if _, ok := r.Phases[phase]; !ok {
					t.Errorf("no phase %s in %v", phase, r.Phases)
				}
			}
		}
	}
	if strings.Join(hooks, " ") != "config prepare cleanup" {
		t.Errorf("hooks %q", hooks)
	}
}

func TestAFaultInTheOperatorsLog(t *testing.T) {
	e := fakeengine.New(t)
	settings, file := withLog(t, e, "")
	refused := with(`"image": {"name": "docker:latest", "pull_policy": ["sometimes"]}, `)
	if code, _, _ := hook(t, e, refused, "--settings", settings, "prepare"); code == 0 {
		t.Error("a pull policy that there is none of went through")
	}
	list, raw := logged(t, file)
	r := list[len(list)-1]
	if r.Result != telemetry.Failed || r.Class != telemetry.OfJob || r.Error == "" || r.Hint == "" || !strings.Contains(raw, `"level":"warn"`) {
		t.Errorf("%s", raw)
	}
	if code, _, _ := hook(t, e, `{"id": 0}`, "--settings", settings, "prepare"); code == 0 {
		t.Error("a payload without a job went through")
	}
	list, raw = logged(t, file)
	if r := list[len(list)-1]; r.Class != telemetry.OfSystem || !strings.Contains(raw, `"level":"error"`) {
		t.Errorf("%s", raw)
	}
}

func TestALogThatCannotBeWrittenEndsNothing(t *testing.T) {
	e := fakeengine.New(t)
	settings, file := withLog(t, e, "")
	if err := os.WriteFile(filepath.Dir(file), nil, 0o600); err != nil {
		t.Fatal(err) // a file where its directory would be
	}
	for command, warned := range map[string]bool{"prepare": false, "cleanup": true, "gc": true} {
		code, _, log := hook(t, e, with(""), "--settings", settings, command)
		if code != 0 || strings.Contains(log, "warning: the operator's log is not written: ") != warned {
			t.Errorf("%s: exit code %d, %s", command, code, log)
		}
	}
}

func TestWhatIsNotForTheOperatorsLog(t *testing.T) {
	e := fakeengine.New(t)
	settings, file := withLog(t, e, "")
	for _, args := range [][]string{{"gc", "--dry-run"}, {"pool", "status"}, {"settings", "--default"}} {
		if code, _, log := hook(t, e, with(""), append([]string{"--settings", settings}, args...)...); code != 0 {
			t.Errorf("%v: exit code %d, %s", args, code, log)
		}
	}
	if _, err := os.Stat(file); err == nil {
		_, raw := logged(t, file)
		t.Errorf("%s", raw)
	}
	off, file := withLog(t, e, "level = \"off\"\n")
	if code, _, log := hook(t, e, with(""), "--settings", off, "gc"); code != 0 {
		t.Error(log)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a log that is off is written")
	}
}

func TestWhatRunsBehindAJobSaysSo(t *testing.T) {
	e := fakeengine.New(t)
	settings, file := withLog(t, e, "")
	if code, _, log := hookWith(t, e, []string{envBehind + "=gitlab.example.com/7"}, with(""), "--settings", settings, "gc"); code != 0 {
		t.Error(log)
	}
	list, raw := logged(t, file)
	if len(list) != 1 || list[0].Command != "gc" || list[0].Behind != "gitlab.example.com/7" || list[0].Hook != "" {
		t.Errorf("%s", raw)
	}
}

func TestWhereBundlesAreKept(t *testing.T) {
	for name, c := range map[string]struct {
		dir  string
		env  payload.Environment
		want string
	}{
		"the settings' place":             {"/srv/x", payload.Environment{"HOME": "/h"}, "/srv/x"},
		"with the operator's log":         {"", payload.Environment{"HOME": "/h"}, "/h/.local/state/gitlab-dind-executor"},
		"nowhere where that has no place": {"", payload.Environment{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := bundleDir(config.Bundles{Dir: c.dir}, c.env); got != c.want {
				t.Errorf("got %s", got)
			}
		})
	}
}

// No test of this package writes to the machine's own bundles and log.
func init() { thisHost = func() telemetry.Host { return telemetry.Host{LogsOwner: -1} } }

// The Runner masks the job log. The output of cleanup goes to the Runner's own log,
// unmasked.
func TestCleanupTellsNoSecret(t *testing.T) {
	e := fakeengine.New(t)
	e.Always("GET /containers/json", fakeengine.Refuse(500, "no such thing as secret-token"))
	// The process behind cleanup would try for minutes.
	_, out, log := hookWith(t, e, []string{"XDG_TEST_BEHIND=nothing"}, with(`"variables": [{"key": "TOKEN", "value": "secret-token"}], `), "cleanup")
	if strings.Contains(out+log, "secret-token") || !strings.Contains(log, "no such thing as [hidden]") {
		t.Errorf("it says %q and %q", out, log)
	}
}
