package executor

import (
	"path/filepath"
	"strings"
	"testing"

	"gitlab-dind-executor/executor/telemetry"
	"gitlab-dind-executor/test/fakeengine"
	"gitlab-dind-executor/wary"
)

// explain tells the story of a job while running, after a failure, and when only the
// operator's log knows the job.
func TestExplainTellsOfAJobInAllOfItsLife(t *testing.T) {
	const secret = "hunter2hunter2"
	payload := func(id string) string {
		text := with(`"variables": [{"key": "PASSWORD", "value": "` + secret + `"}], `)
		return strings.Replace(strings.Replace(text, `"id": 1000`, `"id": `+id, 1), `"protected"`, `"ref": "topic", "protected"`, 1)
	}
	e := fakeengine.New(t)
	settings, file := withLog(t, e, "[bundles]\ndir = \""+t.TempDir()+"\"\n"+alone)
	explain := func(args ...string) (int, string, string) {
		t.Helper()
		return hookWith(t, e, nil, payload("1"), append([]string{"--settings", settings, "explain"}, args...)...)
	}
	says := func(what string, out string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("%s: no %q in\n%s", what, w, out)
			}
		}
		if strings.Contains(out, secret) {
			t.Errorf("%s shows a secret:\n%s", what, out)
		}
	}
	run := func(id, status string, hooks ...string) {
		t.Helper()
		for _, h := range hooks {
			if code, _, log := hookWith(t, e, []string{"CUSTOM_ENV_PASSWORD=" + secret, "CUSTOM_ENV_CI_JOB_STATUS=" + status}, payload(id), "--settings", settings, h); code != 0 {
				t.Fatalf("%s: %s", h, log)
			}
		}
	}

	code, out, log := explain()
	if code != 0 || out != "no job runs, and there is no bundle of a failed one\n" || log != "" {
		t.Errorf("exit code %d, %q, %q", code, out, log)
	}
	run("1", "running", "config", "prepare")
	_, out, _ = explain("1")
	says("a job that runs", out, "job gitlab.example.com/1 of g/a, ", "left", "https://gitlab.example.com/g/a/-/jobs/1", "topic", "prepare", "pulled docker:dind in ", "hint: gitlab-dind-executor logs ")
	_, out, _ = explain("1", "--html")
	says("the page of a job that runs", out, "<!DOCTYPE html>", `<a href="https://gitlab.example.com/g/a/-/jobs/1"`, "pulls docker:dind", "what runs now")

	run("1", "failed", "cleanup")
	run("2", "success", "config", "prepare", "cleanup")
	run("3", "running", "prepare")
	_, out, _ = explain()
	says("the list", out, "JOB  PROJECT  REF    STAGE  WHAT", "\n3    g/a      topic  -      ", "\n1    g/a      topic  -      failed ")
	if strings.Contains(out, "\n2 ") {
		t.Errorf("it lists a job that nothing is kept of:\n%s", out)
	}
	_, out, _ = explain("gitlab.example.com/1")
	says("a job that failed", out, "job gitlab.example.com/1 of g/a, ended ", "Docker daemon: ", "sidecar", "what its hooks did", "cleanup")
	_, out, _ = explain("1", "--html")
	says("its page", out, `<span class="badge failed">failed</span>`, "Its containers")
	_, out, _ = explain("2")
	says("a job that succeeded", out, "job gitlab.example.com/2 of g/a, ended: success", "https://gitlab.example.com/g/a/-/jobs/2", "prepare")

	for _, c := range []struct{ job, err, hint string }{
		{"4", "there is no bundle of job 4, no sandbox, and no line in the operator's log", "bundles of failed jobs stay for "},
		{"deploy", `"deploy" is no job`, "a job is the number in its URL"},
	} {
		if code, out, log := explain(c.job); code != 99 || out != "" || !strings.Contains(wary.Text(log), "error: "+c.err+"\n") || !strings.Contains(log, "hint: "+c.hint) {
			t.Errorf("%s: exit code %d, %q", c.job, code, out+log)
		}
	}
	if code, _, log := explain("--html"); code != 99 || !strings.Contains(wary.Text(log), "error: --html shows one job\nhint: ") {
		t.Errorf("exit code %d, %q", code, log)
	}
	if list, err := (telemetry.Log{Path: file, MaxFiles: 3}).History("1"); err != nil || len(list) < 3 {
		t.Errorf("%d calls, %v", len(list), err)
	}
}

// Two GitLab instances may each have a job with the same id.
func TestExplainAsksWhichOfTwoJobsIsMeant(t *testing.T) {
	e := fakeengine.New(t)
	settings, _ := withLog(t, e, "[bundles]\ndir = \""+t.TempDir()+"\"\n"+alone)
	for _, instance := range []string{"a", "b"} {
		if code, _, log := hook(t, e, strings.Replace(with(""), "@gitlab.", "@"+instance+".", 1), "--settings", settings, "prepare"); code != 0 {
			t.Fatal(log)
		}
	}
	if code, _, log := hook(t, e, with(""), "--settings", settings, "explain", "1000"); code != 99 || wary.Text(log) != "error: \"1000\" may be any of 2 jobs\nhint: name one of them: a.example.com/1000, b.example.com/1000\n" {
		t.Errorf("exit code %d, %q", code, log)
	}
	if code, out, log := hook(t, e, with(""), "--settings", settings, "explain", "b.example.com/1000"); code != 0 || !strings.HasPrefix(out, "job b.example.com/1000 of g/a, ") {
		t.Errorf("exit code %d, %q", code, out+log)
	}
}

// Without HOME, and without an engine, the messages name the missing part.
func TestExplainWhereThereIsNoHome(t *testing.T) {
	e := fakeengine.New(t)
	_, out, log := hook(t, e, with(""), "explain")
	if out != "" || wary.Text(log) != "warning: this user has no directory for bundles\nhint: set HOME or XDG_STATE_HOME to what the Runner's user has, or name a directory by bundles.dir in the settings\n" {
		t.Errorf("the list: %q, %q", out, log)
	}
	code, _, log := hook(t, e, with(""), "explain", "7")
	if code != 99 || !strings.Contains(wary.Text(log), "nothing is known of job 7; not known is how it ended: this user has no directory for bundles\n") || !strings.Contains(log, "hint: set HOME or XDG_STATE_HOME ") {
		t.Errorf("exit code %d, %q", code, log)
	}
	if code, _, log := hook(t, e, with(""), "prepare"); code != 0 {
		t.Fatal(log)
	}
	code, out, _ = hook(t, e, with(""), "explain", "1000")
	if code != 0 || !strings.Contains(out, "job gitlab.example.com/1000 of g/a, ") || !strings.Contains(out, "not known: how it ended: this user has no directory for bundles\n") {
		t.Errorf("exit code %d, %q", code, out)
	}
	for _, call := range []string{"GET /networks", "GET /containers/json", "GET /volumes"} {
		e.Always(call, fakeengine.Refuse(500, "no"))
	}
	state := t.TempDir()
	code, out, log = hookWith(t, e, []string{"HOME=" + state}, with(""), "explain")
	if code != 0 || out != "" || !strings.HasPrefix(wary.Text(log), "warning: listing what is ours: ") {
		t.Errorf("exit code %d, %q, %q", code, out, log)
	}
	if code, _, log := hookWith(t, e, []string{"HOME=" + state}, with(""), "explain", "7"); code != 99 || !strings.Contains(log, "not known is whether it runs: ") || !strings.Contains(log, filepath.Join(state, ".local")) {
		t.Errorf("exit code %d, %q", code, log)
	}
	if code, _, log := hook(t, e, with(""), "explain"); code != 99 || !strings.Contains(log, "hint: set HOME") {
		t.Errorf("exit code %d, %q", code, log)
	}
}
