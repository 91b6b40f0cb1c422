package executor

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/test/fakeengine"
)

func TestWhichContainersAJobHasGoesFromHookToHook(t *testing.T) {
	const job = "gitlab.example.com/7"
	e := exit{file: filepath.Join(t.TempDir(), "build_exit_code")}
	ids := []string{strings.Repeat("0a", 32), strings.Repeat("f1", 32)}
	if got := e.containersOf(job); got != nil {
		t.Errorf("before prepare they are %q", got)
	}
	if err := e.noteContainers(job, ids); err != nil {
		t.Fatal(err)
	}
	if got := e.containersOf(job); !slices.Equal(got, ids) {
		t.Errorf("got %q, want %q", got, ids)
	}
	if got := e.containersOf("gitlab.example.com/8"); got != nil {
		t.Errorf("another job has %q", got)
	}
	if got := (exit{}).containersOf(job); got != nil || (exit{}).noteContainers(job, ids) != nil {
		t.Errorf("without a folder of the Runner's they are %q", got)
	}
	for name, text := range map[string]string{
		"words":               "many",
		"an id with more":     fmt.Sprintf(`{"Job": %q, "Containers": ["%s\"}"]}`, job, ids[0]),
		"a name":              fmt.Sprintf(`{"Job": %q, "Containers": ["registry"]}`, job),
		"a part of an id":     fmt.Sprintf(`{"Job": %q, "Containers": ["0a0a0a0a0a0a"]}`, job),
		"more than a job has": fmt.Sprintf(`{"Job": %q, "Containers": [%s"%s"]}`, job, strings.Repeat(`"`+ids[0]+`",`, maxContainers), ids[1]),
		"nothing":             "",
	} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(e.file), containersFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := e.containersOf(job); got != nil {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// The requests of a job's hooks do not depend on the number of other jobs: none makes the
// engine search through all its objects. Processes behind the hooks may.
func TestNoHookLetsTheEngineLookThroughAll(t *testing.T) {
	e := fakeengine.New(t)
	e.OnStart = func(c *fakeengine.Container) {
		if strings.HasSuffix(c.Name, "-job") {
			c.Log = plan.ShellMarker + "\n"
		}
	}
	e.OnScript = func(string) (string, int) { return plan.ScriptMarker + "\n", 0 }
	dir := t.TempDir()
	env := []string{"BUILD_EXIT_CODE_FILE=" + filepath.Join(dir, "build_exit_code")}
	// The sweep of prepare has seen many sandboxes a moment ago.
	state := filepath.Join(dir, "state")
	env = append(env, "XDG_STATE_HOME="+state, "XDG_TEST_BEHIND=nothing")
	stamp(t, filepath.Join(state, "gitlab-dind-executor", "swept"), "500\n")
	script := filepath.Join(dir, "script")
	stamp(t, script, "#!/bin/sh\ntrue\n")
	// Hooks ask an engine on another host for its networks, since no route of this host
	// tells of them. TestNetworksAreListedWhereRoutesDoNotTell covers the others.
	allowed := []string{"GET /networks "}
	for _, h := range [][]string{{"config"}, {"prepare"}, {"run", script, "prepare_script"}, {"run", script, "get_sources"}, {"run", script, "build_script"}, {"run", script, "after_script"}, {"cleanup"}} {
		before := len(e.Lists())
		if code, _, log := hookWith(t, e, env, with(""), h...); code != 0 {
			t.Fatalf("%s: exit code %d, log %q", h, code, log)
		}
		for _, list := range e.Lists()[before:] {
			if !slices.Contains(allowed, list) && !bounded(list) {
				t.Errorf("%s: the engine looks through all for %s", h, list)
			}
		}
	}
}

// bounded tells whether a list asks for volumes with a given value of a label. The engine
// keeps these in memory and answers with matching volumes alone.
func bounded(list string) bool {
	filters, is := strings.CutPrefix(list, "GET /volumes ")
	return is && strings.Contains(filters, "=")
}

func stamp(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
