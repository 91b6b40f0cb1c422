package telemetry

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
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
