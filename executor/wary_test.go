package executor

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/executor/bundle"
	"gitlab-dind-executor/executor/doctor"
	"gitlab-dind-executor/executor/payload"
	"gitlab-dind-executor/executor/telemetry"
	"gitlab-dind-executor/test/fakeengine"
	"gitlab-dind-executor/wary"
)

// planted is hostile text: it sets a window's title, clears the screen, and writes
// backwards.
const planted = "\x1b]0;owned\a\x1b[2Jpla\u009b5mnted\u202e\x00"

// clean fails on a text with control sequences other than the hooks' own, and on a text
// without the planted word.
func clean(t *testing.T, place, text string) {
	t.Helper()
	if !strings.Contains(text, "planted") {
		t.Errorf("%s does not show what was planted: %q", place, text)
	}
	for _, own := range []string{"\x1b[0;33m", "\x1b[31;1m", "\x1b[0;37m", "\x1b[0;m", "\x1b[0K", "\r"} { // the job log's colours
		text = strings.ReplaceAll(text, own, "")
	}
	if wary.Text(text) != text {
		t.Errorf("%s passes on what a terminal obeys: %q", place, text)
	}
}

// hostile is an engine where every name and label is hostile text.
func hostile(t *testing.T) *fakeengine.Engine {
	t.Helper()
	e := fakeengine.New(t)
	label := func(role string) map[string]string {
		now := time.Now().UTC()
		return map[string]string{
			"gitlab-dind-executor.sandbox": "aaaaaaaaaaaa", "gitlab-dind-executor.role": role, "gitlab-dind-executor.job": planted + "/7",
			"gitlab-dind-executor.project": "g/" + planted, "gitlab-dind-executor.owner": planted,
			"gitlab-dind-executor.created":  now.Format(time.RFC3339),
			"gitlab-dind-executor.deadline": now.Add(time.Hour).Format(time.RFC3339),
		}
	}
	e.AddNetwork("dind-aaaaaaaaaaaa", label("network"))
	e.AddContainer("dind-aaaaaaaaaaaa-sidecar", label("sidecar"), true)
	e.AddContainer("dind-aaaaaaaaaaaa-job", label("job"), true)
	return e
}

func TestNoControlSequenceOfOthersReachesAPerson(t *testing.T) {
	t.Run("status", func(t *testing.T) {
		code, out, log := hook(t, hostile(t), with(""), "status")
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, log)
		}
		clean(t, "status", out)
		_, out, _ = hook(t, hostile(t), with(""), "status", "--json")
		clean(t, "status --json", out)
		var st map[string]any
		if err := json.Unmarshal([]byte(out), &st); err != nil {
			t.Errorf("%v in %q", err, out)
		}
	})
	t.Run("errors of the engine", func(t *testing.T) {
		for _, args := range [][]string{{"gc"}, {"status"}, {"drain", "--timeout", "1ms"}, {"pool", "status"}, {"mirror", "status"}, {"seed", "status"}, {"shell", "7"}, {"logs", "7"}} {
			e := fakeengine.New(t)
			for _, call := range []string{"GET /networks", "GET /containers/json", "GET /volumes"} {
				e.Always(call, fakeengine.Refuse(500, planted))
			}
			if code, out, log := hook(t, e, with(""), args...); code == 0 {
				t.Errorf("%q succeeds: %s%s", args, out, log)
			} else {
				clean(t, strings.Join(args, " "), out+log)
			}
		}
	})
	t.Run("a job's hooks", func(t *testing.T) {
		for call, args := range map[string][]string{"POST /networks/create": {"prepare"}, "GET /containers/json": {"cleanup"}} {
			e := fakeengine.New(t)
			e.Always(call, fakeengine.Refuse(500, planted))
			// The process behind cleanup would try for minutes.
			_, out, log := hookWith(t, e, []string{"XDG_TEST_BEHIND=nothing"}, with(""), args...)
			clean(t, args[0], out+log)
		}
	})
	t.Run("names that are asked for", func(t *testing.T) {
		_, _, log := hook(t, hostile(t), with(""), "shell", planted)
		clean(t, "shell", log)
		_, _, log = hook(t, hostile(t), with(""), "gc", "--planted"+planted)
		clean(t, "an unknown flag", log)
	})
	t.Run("explain", func(t *testing.T) {
		state := t.TempDir()
		dir := filepath.Join(state, driverName)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(bundle.Bundle{
			Job: "gitlab.example.com/7" + planted, Project: planted,
			Report: looking.Report{
				Sandbox: planted, SidecarLog: []string{planted, "\x1b[1A\x1b[2Kinnocent"},
				Containers: []looking.ContainerReport{{Name: planted, Role: planted, Image: planted, Status: planted, Error: planted}},
			},
		})
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "job-7-00.json"), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		code, out, log := hookWith(t, fakeengine.New(t), []string{"XDG_STATE_HOME=" + state}, with(""), "explain", "7")
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, log)
		}
		clean(t, "explain", out)
	})
	t.Run("the operator's log", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "operator.log")
		r := telemetry.Record{
			Hook: "run", Stage: planted, Job: planted, Project: planted, Ref: planted, Sandbox: planted, ColdReason: planted,
			Docker: planted, Result: telemetry.Failed, Error: planted, Hint: planted, TraceError: planted, Behind: planted,
		}
		span := telemetry.Finished{Name: planted, Args: map[string]any{"about": planted}}
		if err := (telemetry.Log{Path: file, Debug: true}).Write(r, []telemetry.Finished{span}); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
			var fields map[string]any
			if err := json.Unmarshal([]byte(line), &fields); err != nil {
				t.Fatal(err)
			}
			for key, value := range fields {
				if text, ok := value.(string); ok && strings.Contains(text, "planted") {
					clean(t, key, text)
				}
			}
			clean(t, "a line", line)
		}
		c := &call{env: payload.Environment{}}
		clean(t, "an error for it", c.harmless(planted))
	})
	t.Run("doctor", func(t *testing.T) {
		var out bytes.Buffer
		doctor.Finding{Check: "engine", Level: "warning", Text: planted, Hint: planted}.Line(wary.Writer(&out))
		clean(t, "a finding", out.String())
		e := fakeengine.New(t)
		e.Always("GET /info", fakeengine.Refuse(500, planted))
		_, said, log := hook(t, e, with(""), "doctor")
		clean(t, "doctor", said+log)
	})
	t.Run("try", func(t *testing.T) {
		t.Chdir(t.TempDir())
		text := `{"jo\u202eb": {script: ["true"]}, good: {script: ["true"], "pla\e[31mnted": 1}}`
		if err := os.WriteFile(".gitlab-ci.yml", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		commit := `git init -q && git add . && git -c user.name=a -c user.email=a@example.com commit -qm x`
		if out, err := exec.CommandContext(t.Context(), "sh", "-c", commit).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		_, said, log := hook(t, fakeengine.New(t), with(""), "try", "--list")
		clean(t, "try", said+log+"planted")
		if !strings.Contains(said+log, "name of a job") {
			t.Errorf("try says %q and %q", said, log)
		}
	})
}

// A file or a program gets a log as it is, a terminal does not.
func TestALogIsCleanedForATerminalAlone(t *testing.T) {
	var out bytes.Buffer
	if shown(&out) != &out {
		t.Error("what is no terminal gets other bytes")
	}
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	if shown(terminal) == terminal {
		t.Error("a terminal gets it as it is")
	}
}
