package telemetry

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"gitlab-dind-executor/test/ends"
)

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
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var list []event
	if err := json.Unmarshal(append(b, ']'), &list); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	if n := len(list); n != 16 {
		t.Errorf("%d events", n)
	}
}

// No hook waits for a timeline.
func TestATimelineThatIsHeldUpHoldsUpNobody(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	held := func(name, content string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for name, c := range map[string]struct{ file, want string }{
		"a pipe that nobody reads":              {pipe, ""},
		"a device":                              {"/dev/full", ""},
		"another hook has stopped at its start": {held("empty", ""), ""},
		"another hook has stopped":              {held("begun", "[1"), "[1,\n2"},
	} {
		ended := make(chan error, 1)
		go func() { ended <- appendTo(c.file, []byte(",\n2")) }()
		if err := ends.Await(t, ended, "the end of a hook with "+name); (err == nil) != (c.want != "") {
			t.Errorf("%s: error %v", name, err)
		}
		if c.want == "" {
			continue
		}
		if b, err := os.ReadFile(c.file); err != nil || string(b) != c.want {
			t.Errorf("%s: %v, %q", name, err, b)
		}
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
