package main

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/realrunner"
	"gitlab-dind-executor/test/rig"
)

func TestBothExecutorsAreInTheRunnersConfig(t *testing.T) {
	api := &rig.JobAPI{URL: "http://172.17.0.1:1", Token: "glrt-x"}
	r := &realRunner{
		b:            &bench{lab: &lab.Lab{Registry: &rig.Registry{Host: "registry.test:5000", Addr: netip.MustParseAddr("172.17.0.1")}}},
		dockerLabels: map[string]string{"a.b": "c"},
	}
	var c struct {
		Runners []struct {
			URL, Token, Executor string
			Requests             int `toml:"request_concurrency"`
			Custom               struct {
				RunExec string   `toml:"run_exec"`
				RunArgs []string `toml:"run_args"`
			}
			Docker struct {
				Privileged bool
				Helper     string `toml:"helper_image"`
				Volumes    []string
				Hosts      []string          `toml:"extra_hosts"`
				Labels     map[string]string `toml:"container_labels"`
				Policy     []string          `toml:"pull_policy"`
			}
		}
	}
	if _, err := toml.Decode(r.dockerSection(api, "sha256:abc")+customSection(api, "/opt/executor", "/tmp/dind.toml"), &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Runners) != 2 || c.Runners[0].Executor != "docker" || c.Runners[1].Executor != "custom" {
		t.Fatalf("%+v", c)
	}
	d := c.Runners[0].Docker
	if !d.Privileged || d.Helper != "sha256:abc" || d.Labels["a.b"] != "c" || len(d.Volumes) != 2 || d.Hosts[0] != "registry.test:172.17.0.1" || d.Policy != nil {
		t.Errorf("the docker executor has %+v", d)
	}
	if args := strings.Join(c.Runners[1].Custom.RunArgs, " "); args != "--settings /tmp/dind.toml run" || c.Runners[1].Custom.RunExec != "/opt/executor" {
		t.Errorf("the hook is %s %s", c.Runners[1].Custom.RunExec, args)
	}
}

func TestTheLinesTimeIsReadOfTheLog(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)
	for name, tt := range map[string]struct {
		log  string
		want time.Time
	}{
		"a line with its time":  {"2026-01-02T03:04:04.000000Z 01O $ echo 'first line'\n2026-01-02T03:04:05.678901Z 01O first line\n", at},
		"with a carriage":       {"2026-01-02T03:04:05.678901Z 0aO+first line\r\n", at},
		"only the command":      {"2026-01-02T03:04:05.678901Z 01O $ echo 'first line'\n", time.Time{}},
		"a line without a time": {"first line\n", time.Time{}},
	} {
		if got := saidAt(tt.log); !got.Equal(tt.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestOnlyObjectsOfOwnRunnerAreRemoved(t *testing.T) {
	const token = "glrt-ABCDEFGHIJKL"
	for id, want := range map[string]bool{"ABCDEFGHI": true, "ABCDEFGH": true, "ABCDEFGX": false, "ABC": false, "": false} {
		if got := ownedBy(map[string]string{"com.gitlab.gitlab-runner.runner.id": id}, token); got != want {
			t.Errorf("an object of %q is taken: %t", id, got)
		}
	}
}

// noHooks are the hooks of an executor that does nothing.
const noHooks = "#!/bin/sh\n[ \"$1\" = --settings ] && shift 2\ncase $1 in\nconfig) echo '{\"builds_dir\":\"/b\",\"cache_dir\":\"/c\"}' ;;\nrun) echo ran ;;\nesac\n"

func TestAJobIsMeasuredFromItsOfferToItsEnd(t *testing.T) {
	dir := t.TempDir()
	binary, executor := filepath.Join(dir, "runner"), filepath.Join(dir, "executor")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "gitlab-dind-executor/test/apirunner").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.WriteFile(executor, []byte(noHooks), 0o755); err != nil {
		t.Fatal(err)
	}
	api, err := rig.ServeJobAPI(t.Context(), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	w := &runnerWay{runner: &realRunner{}, api: api, settings: "/dev/null"}
	w.runner.ways = []*runnerWay{w}
	config := filepath.Join(dir, "config.toml")
	if err := os.WriteFile(config, []byte(customSection(api, executor, w.settings)), 0o600); err != nil {
		t.Fatal(err)
	}
	if w.runner.process, err = realrunner.Start(binary, dir, config); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.runner.close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	p := local.Payload{ID: 7, Variables: []local.Variable{{Key: "GIT_STRATEGY", Value: "none"}}, Steps: []local.Step{{Name: "script", Script: []string{"true"}}}}
	before := time.Now()
	o, err := w.run(t.Context(), p, 0)
	if err != nil {
		t.Fatal(err)
	}
	if o.taken.Before(before) || o.whole() <= 0 || o.ended.After(time.Now()) {
		t.Errorf("%+v", o)
	}
	if _, err := o.line(); err == nil {
		t.Error("a log without the line has its time")
	}
}
