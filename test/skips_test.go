package test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// make test has gotestsum call scripts/aftertests. Without this script a skipped test would be
// a success.
func TestARunFailsWhenATestIsSkippedOrNoneRan(t *testing.T) {
	path, err := exec.Command("go", "-C", "../scripts/tools", "tool", "-n", "gotestsum").Output()
	if err != nil {
		t.Fatal(err)
	}
	after, err := filepath.Abs("../scripts/aftertests")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		stream string
		ok     bool
		want   []string
	}{
		"all passed": {
			`{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"attr","Package":"p","Test":"TestA","Key":"faults","Value":"3 of \"x\", 1 of y"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: chatter\n"}
{"Action":"pass","Package":"p","Test":"TestA","Elapsed":0.1}
{"Action":"pass","Package":"p","Elapsed":1.26}`, true, []string{"p (1.26s)", "DONE 1 tests", `note  faults: 3 of "x", 1 of y`, "as JSON: "},
		},
		"one failed": {
			`{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: wrong\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p"}`, false, []string{"FAIL: p TestA", "a_test.go:1: wrong", "1 failure"},
		},
		"a package failed without a test": {
			`{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Output":"cannot reach the engine\n"}
{"Action":"fail","Package":"p"}`, false, []string{"cannot reach the engine", "1 failure"},
		},
		"one was skipped": {
			`{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:1: no engine\n"}
{"Action":"skip","Package":"p","Test":"TestB"}
{"Action":"pass","Package":"p"}`, false, []string{"SKIP: p TestB", "b_test.go:1: no engine", "1 of 2 tests were skipped"},
		},
		"none ran": {`{"Action":"skip","Package":"p"}`, false, []string{"no test ran"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "stream"), []byte(c.stream+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(string(bytes.TrimSpace(path)), "--format", "pkgname", "--jsonfile", "test.json",
				"--post-run-command", after, "--raw-command", "--", "cat", "stream")
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			if (err == nil) != c.ok {
				t.Errorf("it ended with %v", err)
			}
			for _, want := range c.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("it does not say %q", want)
				}
			}
			if strings.Contains(string(out), "chatter") {
				t.Error("it shows what a test says that passed")
			}
			if t.Failed() {
				t.Logf("%s", out)
			}
		})
	}
}
