package executor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/owner"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/executor/overview"
	"gitlab-dind-executor/test/fakeengine"
)

func TestWhereThereIsNothingAStatusSaysSo(t *testing.T) {
	e := fakeengine.New(t)
	t.Setenv("DOCKER_HOST", e.Host)
	var out, log bytes.Buffer
	if code := Main([]string{"--settings", "/dev/null", "status"}, nil, &out, &log); code != 0 || log.Len() > 0 || out.String() != "no sandboxes\n\ncached   nothing of projects\n" {
		t.Errorf("exit code %d, said %q and %q", code, out.String(), log.String())
	}
	out.Reset()
	if code := Main([]string{"--settings", "/dev/null", "status", "--json"}, nil, &out, &log); code != 0 {
		t.Fatalf("exit code %d: %s", code, log.String())
	}
	var st map[string]any
	if err := json.Unmarshal(out.Bytes(), &st); err != nil {
		t.Fatal(err)
	}
	if list, ok := st["sandboxes"].([]any); !ok || len(list) != 0 {
		t.Errorf("no empty list: %s", out.String())
	}
}

// status shows a job as prepare has noted its facts.
func TestAStatusNamesJobsByWhatTheirPrepareHasNoted(t *testing.T) {
	e := fakeengine.New(t)
	text := strings.Replace(strings.Replace(with(`"runner_info": {"timeout": 3600}, `), `"project_id": 42`, `"project_id": 42, "stage": "build\u001b[2J"`, 1), `"protected"`, `"ref": "topic", "protected"`, 1)
	if code, _, log := hook(t, e, text, "prepare"); code != 0 {
		t.Fatal(log)
	}
	_, out, _ := hook(t, e, text, "status")
	for _, want := range []string{"1000", "topic", "  build  ", "59m", "https://gitlab.example.com/g/a/-/jobs/1000"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	_, out, _ = hook(t, e, text, "status", "--json")
	var st overview.Status
	if err := json.Unmarshal([]byte(out), &st); err != nil || len(st.Sandboxes) != 1 {
		t.Fatalf("%v in %s", err, out)
	}
	one := st.Sandboxes[0]
	if one.Ref != "topic" || one.URL != "https://gitlab.example.com/g/a/-/jobs/1000" || one.TimesOut == nil || time.Until(*one.TimesOut) > time.Hour {
		t.Errorf("%+v", one)
	}
}

// A host with hundreds of sandboxes gets a page, and each way to see more works.
func TestAStatusOfManySandboxesIsAPage(t *testing.T) {
	e := fakeengine.New(t)
	self, err := owner.This()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		id := fmt.Sprintf("%012x", i+1)
		job := label.InSandbox(id, plan.RoleJob)
		for k, v := range label.Claim(plan.Claim{Job: fmt.Sprintf("gitlab.example.com/%d", 100+i), Project: fmt.Sprintf("group/app%d", i%5), Owner: self.String(), Deadline: time.Now().Add(time.Hour)}) {
			job[k] = v
		}
		if i > 0 {
			e.AddNetwork(label.NetworkName(id), label.InSandbox(id, plan.RoleNetwork)) // the first is an orphan
		}
		e.AddContainer(label.ObjectName(id, plan.RoleJob), job, false)
		e.AddContainer(label.ObjectName(id, plan.RoleSidecar), label.InSandbox(id, plan.RoleSidecar), false)
	}
	for name, c := range map[string]struct {
		args        []string
		least, most int
		want        string
	}{
		"a page":      {nil, 40, 60, "… and 460 more: --limit 0 shows all"},
		"all of them": {[]string{"--limit", "0"}, 500, 520, "0000000001f4"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, log := hook(t, e, with(""), append([]string{"status"}, c.args...)...)
			if name == "a page" && !strings.Contains(out, "\n000000000001  orphan ") {
				t.Errorf("what needs a look is not on the page:\n%s", out)
			}
			if lines := strings.Count(out, "\n"); code != 0 || lines < c.least || lines > c.most || !strings.Contains(out, c.want) || !strings.HasPrefix(out, "500 sandboxes: 1 orphan, ") {
				t.Errorf("exit code %d, %d lines, %s\n%s", code, lines, log, out)
			}
		})
	}
}

func TestAStatusThatNobodyCanShow(t *testing.T) {
	for _, c := range []struct{ flag, value, want, hint string }{
		{"--sort", "size", `there is no order "size"`, "--sort takes one of age, cpu, "},
		{"--filter", "size=3", `"size=3" is no filter`, "keys are job, project, "},
		{"--filter", "running", `"running" is no filter`, "write KEY=PATTERN"},
		{"--filter", "state=runing", `no sandbox is ever in a state "runing"`, "states are unclear, orphan, "},
		{"--limit", "-1", "-1 sandboxes cannot be shown", "--limit 0"},
	} {
		e := fakeengine.New(t)
		if code, out, log := hook(t, e, with(""), "status", c.flag, c.value); code != 99 || out != "" || !strings.Contains(log, "error: "+c.want) || !strings.Contains(log, "hint: ") || !strings.Contains(log, c.hint) || len(e.Calls()) > 0 {
			t.Errorf("%s %s: exit code %d, %q", c.flag, c.value, code, out+log)
		}
	}
}
