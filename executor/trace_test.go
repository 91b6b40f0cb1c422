package executor

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"gitlab-dind-executor/test/fakeengine"
)

// events reads a timeline: its array may lack its end.
func events(t *testing.T, file string) []event {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var list []event
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

func TestHooksThatWriteATimelineAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "trace.json")
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			if err := appendTo(file, fmt.Appendf(nil, ",\n{\"name\": \"%d\"}", i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := len(events(t, file)); n != 16 {
		t.Errorf("%d events", n)
	}
}

func TestSpansOfCallsHoldNoQueryAndNoID(t *testing.T) {
	for call, want := range map[string][2]string{
		"POST /v1.47/containers/0123abc/start":                   {"POST /containers/{id}/start", "0123abc"},
		"POST /v1.47/containers/create?name=x":                   {"POST /containers/create", ""},
		"GET /containers/json":                                   {"GET /containers/json", ""},
		"GET /v1.41/images/registry.example.com:5000/g/a:1/json": {"GET /images/{id}/json", "registry.example.com:5000/g/a:1"},
		"POST /v1.47/images/create":                              {"POST /images/create", ""},
		"DELETE /v1.47/volumes/dind-x-data":                      {"DELETE /volumes/{id}", "dind-x-data"},
		"HEAD /_ping":                                            {"HEAD /_ping", ""},
		"wait for the docker daemon":                             {"wait for the docker daemon", ""},
	} {
		name, args := spanName(call)
		about, _ := args["about"].(string)
		if name != want[0] || about != want[1] {
			t.Errorf("%s: %q about %q", call, name, about)
		}
	}
}
