package executor

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/test/fakeengine"
)

// timed is an entry of a timeline.
type timed struct {
	Name  string `json:"name"`
	Phase string `json:"ph"`
	Time  int64  `json:"ts"`
	Took  int64  `json:"dur"`
	PID   int    `json:"pid"`
	Lane  int    `json:"tid"`
}

// events reads a timeline: its array may lack its end.
func events(t *testing.T, file string) []timed {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var list []timed
	if err := json.Unmarshal(append(b, ']'), &list); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	return list
}

func TestTheHooksOfAJobWriteOneTimeline(t *testing.T) {
	const secret = "hunter2hunter2"
	payload := with(`"variables": [{"key": "PASSWORD", "value": "` + secret + `"}], "credentials": [{"type": "registry", "url": "docker.io", "username": "u", "password": "` + secret + `"}], `)
	for name, dir := range map[string]bool{"a file": false, "a directory": true} {
		t.Run(name, func(t *testing.T) {
			e := fakeengine.New(t)
			flag := t.TempDir()
			file := filepath.Join(flag, "job-1000.json")
			if !dir {
				flag = filepath.Join(flag, "trace.json")
				file = flag
			}
			for _, h := range []string{"config", "prepare", "cleanup"} {
				if code, _, log := hook(t, e, payload, "--trace", flag, h); code != 0 {
					t.Fatalf("%s: exit code %d, %s", h, code, log)
				}
			}
			var names []string
			lanes := map[string]int64{}
			for _, ev := range events(t, file) {
				names = append(names, ev.Name)
				if ev.Phase != "X" {
					continue
				}
				lane := fmt.Sprint(ev.PID, " ", ev.Lane)
				if ev.Name == "config" || ev.Name == "prepare" || ev.Name == "cleanup" {
					clear(lanes) // in this test all have one pid
				}
				if ev.Time < lanes[lane] {
					t.Errorf("%s begins before the one before it in its lane ends", ev.Name)
				}
				lanes[lane] = ev.Time + ev.Took
			}
			for _, want := range []string{
				"config", "prepare", "cleanup", "process_name", "facts", "image docker:dind", "pull docker:dind",
				"POST /networks/create", "POST /containers/create", "PUT /containers/{id}/archive", "POST /containers/{id}/start",
				"GET /images/{id}/json", "DELETE /networks/{id}",
			} {
				if !slices.Contains(names, want) {
					t.Errorf("no span %q in %q", want, names)
				}
			}
			b, err := os.ReadFile(file)
			if err != nil || strings.Contains(string(b), secret) {
				t.Errorf("%v, or it holds a secret:\n%s", err, b)
			}
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
		})
	}
}

func TestATimelineThatCannotBeWrittenEndsNothing(t *testing.T) {
	code, stdout, log := hook(t, fakeengine.New(t), with(""), "--trace", filepath.Join(t.TempDir(), "no", "file"), "gc")
	if code != 0 || stdout != "nothing to remove\n" || !strings.Contains(log, "warning: no timeline is written: ") {
		t.Errorf("exit code %d, said %q and %q", code, stdout, log)
	}
}
