package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gitlab-dind-executor/executor/local"
)

// A new file takes the program's name while a job's prepare runs, as in an upgrade of the
// package. The rest of the job belongs to the new version, and so do the processes that prepare
// starts behind itself. A drain sees the job of both.
func TestAnUpgradeInTheMiddleOfAJob(t *testing.T) {
	dir := t.TempDir()
	program, next := filepath.Join(dir, "gitlab-dind-executor"), filepath.Join(dir, "next")
	content, err := os.ReadFile(world.Binary)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, content, 0o755); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", next, "-trimpath",
		"-ldflags", "-X gitlab-dind-executor/driver/label.Version=v9.9.9", "gitlab-dind-executor")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	drain := func() (string, error) {
		out, err := exec.CommandContext(t.Context(), program, "--settings", world.Settings, "drain", "--timeout", "0s").CombinedOutput()
		return string(out), err
	}
	runJob(t, world.Job(`docker version --format 'docker {{.Server.Version}} answers'`, `ls Dockerfile`), func(r *local.Runner) {
		r.Executable = program
		r.OnHook = func(h local.Hook) {
			switch {
			case h.Kind == local.Prepare:
				if err := os.Rename(next, program); err != nil {
					t.Error(err)
				}
			case h.Stage == "build_script":
				if out, err := drain(); err == nil || !strings.Contains(out, "error: after 0s there is still job ") {
					t.Errorf("with a job, a drain says %q: %v", out, err)
				}
			}
		}
	}).succeeded().quietCleanup().says(" answers")
	if out, err := exec.CommandContext(t.Context(), program, "--version").Output(); err != nil || !strings.Contains(string(out), "v9.9.9") {
		t.Errorf("the program says %q (%v): it was not replaced", out, err)
	}
	if out, err := drain(); err != nil || out != "no job is left\n" {
		t.Errorf("behind the job, a drain says %q: %v", out, err)
	}
}
