package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/realrunner"
	"gitlab-dind-executor/test/rig"
)

// hooks run scripts on this machine, in folders of the test.
const hooks = `#!/bin/sh
[ "$1" = --settings ] && shift 2
case $1 in
config) echo '{"builds_dir":"@dir@/builds","cache_dir":"@dir@/cache"}' ;;
run)
	bash "$2"
	code=$?
	[ $code = 0 ] || { echo $code >"$BUILD_EXIT_CODE_FILE"; exit 1; } ;;
esac
`

// The test runs the whole program except the engine. A Runner process takes jobs, its log is
// followed, and a job is cancelled.
func TestARunnerProcessTakesTheJobs(t *testing.T) {
	dir := t.TempDir()
	runner := filepath.Join(dir, "runner")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", runner, "gitlab-dind-executor/test/apirunner").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	executor := filepath.Join(dir, "executor")
	if err := os.WriteFile(executor, []byte(strings.ReplaceAll(hooks, "@dir@", dir)), 0o755); err != nil {
		t.Fatal(err)
	}
	api, err := rig.ServeJobAPI(t.Context(), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	var out strings.Builder
	tr := &trial{executor: executor, runner: runner, out: &out, api: api}
	example, err := os.ReadFile("../../config.toml.example")
	if err != nil {
		t.Fatal(err)
	}
	text, err := configOf(string(example), api.URL, api.Token, executor, "/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "config.toml")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := tr.verify(t.Context(), dir, config); err != nil {
		t.Fatal(err)
	}
	p, err := realrunner.Start(runner, dir, config)
	if err != nil {
		t.Fatal(err)
	}
	id := int64(0)
	job := func(script string) func() local.Payload {
		return func() local.Payload {
			id++
			return local.Payload{
				ID: id, Token: "secret-token",
				Variables: []local.Variable{{Key: "GIT_STRATEGY", Value: "none"}},
				Steps:     []local.Step{{Name: "script", Script: []string{script}}, {Name: "after_script", Script: []string{`echo "after $CI_JOB_STATUS"`}}},
			}
		}
	}
	for _, c := range []jobCase{
		{name: "well", payload: job("echo hello"), want: rig.JobEnd{State: "success"}, says: []string{"$ echo hello\nhello\n", "after success"}},
		{name: "badly", payload: job("exit 42"), want: rig.JobEnd{State: "failed", FailureReason: "script_failure", ExitCode: 42}, says: []string{"after failed"}},
		{name: "cancelled", payload: job(`echo "it ""began"; sleep 600`), cancelAt: "it began", want: rig.JobEnd{State: "failed"}, says: []string{"after canceled"}},
		{name: "not as it should", payload: job("true"), want: rig.JobEnd{State: "failed"}},
	} {
		if err := tr.job(t.Context(), p, c); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if tr.failed != 1 || strings.Count(out.String(), "as it should\n") != 3 || !strings.Contains(out.String(), "WRONG: it ended as {State:success") {
		t.Errorf("%d are judged as wrong:\n%s", tr.failed, &out)
	}
}
