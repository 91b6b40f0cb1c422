package executor_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"gitlab-dind-executor/test/fakeengine"
)

// A process behind the job fetches newer images of its registry. The credentials reach the
// process through memory.
func TestFetchTakesImagesFromItsStdin(t *testing.T) {
	e := fakeengine.New(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "fetch")
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+e.Host, "XDG_STATE_HOME="+t.TempDir())
	cmd.Stdin = strings.NewReader(`[{"Name":"docker:dind","Host":"docker.io","Username":"u","Password":"very-secret"}]`)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), "very-secret") {
		t.Fatalf("%v\n%s", err, out)
	}
	if n := e.Count("POST /images/create"); n != 1 {
		t.Errorf("pulled %d times", n)
	}
}
