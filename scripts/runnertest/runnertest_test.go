package main

import (
	"os"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"gitlab-dind-executor/test/rig"
)

func TestTheExamplesConfigIsFilledIn(t *testing.T) {
	example, err := os.ReadFile("../../config.toml.example")
	if err != nil {
		t.Fatal(err)
	}
	text, err := configOf(string(example), "http://172.17.0.1:1", "glrt-x", "/opt/executor", "/tmp/dind.toml")
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		CheckInterval int `toml:"check_interval"`
		Runners       []struct {
			URL, Token string
			Custom     struct {
				RunExec string   `toml:"run_exec"`
				RunArgs []string `toml:"run_args"`
			}
		}
	}
	if _, err := toml.Decode(text, &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Runners) != 1 || c.CheckInterval != 1 {
		t.Fatalf("%+v", c)
	}
	r := c.Runners[0]
	if r.URL != "http://172.17.0.1:1" || r.Token != "glrt-x" || r.Custom.RunExec != "/opt/executor" || strings.Join(r.Custom.RunArgs, " ") != "--settings /tmp/dind.toml run" {
		t.Errorf("%+v", r)
	}
	if _, err := configOf("url = 1", "", "", "", ""); err == nil {
		t.Error("another example is taken")
	}
}

func TestAJobsEndIsJudged(t *testing.T) {
	c := jobCase{want: rig.JobEnd{State: "success"}, says: []string{"hello"}, saysNot: []string{"s3cret"}}
	log := plain("section_start:1:x\r\x1b[0K\x1b[32;1m$ echo\x1b[0;m\r\n2026-01-01T00:00:00.000000Z 01O hello\n")
	if log != "$ echo\nhello\n" {
		t.Errorf("the plain log is %q", log)
	}
	if wrong := c.judge(rig.JobEnd{State: "success"}, log); len(wrong) > 0 {
		t.Errorf("%q", wrong)
	}
	wrong := strings.Join(c.judge(rig.JobEnd{State: "failed", ExitCode: 3}, "s3cret"), "\n")
	if strings.Count(wrong, "\n") != 2 || strings.Contains(wrong, "s3cret") {
		t.Errorf("%q", wrong)
	}
}
