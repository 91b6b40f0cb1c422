package executor

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/test/fakeengine"
)

// A program that reads a list needs no case for null.
func TestListsAreArraysInJSON(t *testing.T) {
	empty := fakeengine.New(t)
	full := fakeengine.New(t)
	made := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	full.AddVolume("dind-seed-a", map[string]string{
		"gitlab-dind-executor.role": "seed", "gitlab-dind-executor.seed": "unwanted", "gitlab-dind-executor.created": made,
	})
	full.AddContainer("dind-mirror-a", map[string]string{
		"gitlab-dind-executor.role": "mirror", "gitlab-dind-executor.remote": "https://registry-1.docker.io", "gitlab-dind-executor.created": made,
	}, false)
	for _, list := range []string{"pool", "seed", "mirror"} {
		for name, e := range map[string]*fakeengine.Engine{"none": empty, "some": full} {
			code, out, log := hook(t, e, with(""), list, "status", "--json")
			var got []map[string]any
			if err := json.Unmarshal([]byte(out), &got); code != 0 || err != nil || got == nil || strings.Contains(out, "null") {
				t.Errorf("%s status with %s: exit code %d (%v), %q and %q", list, name, code, err, out, log)
			}
			if want := name == "some" && list != "pool"; (len(got) > 0) != want {
				t.Errorf("%s status with %s lists %v", list, name, got)
			}
		}
	}
}

func TestAMirrorThatDoesNotRunHasNoAddress(t *testing.T) {
	e := fakeengine.New(t)
	e.AddContainer("dind-mirror-a", map[string]string{
		"gitlab-dind-executor.role": "mirror", "gitlab-dind-executor.remote": "https://registry-1.docker.io",
	}, false)
	code, out, log := hook(t, e, with(""), "mirror", "status")
	want := "mirror dind-mirror-a of https://registry-1.docker.io: created, an unknown size, 0 jobs, to be removed\n"
	if code != 0 || out != want {
		t.Errorf("exit code %d, said %q and %q, want %q", code, out, log, want)
	}
}
