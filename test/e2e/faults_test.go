package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// gc sweeps and returns its output.
func gc(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), world.Binary, "--settings", world.Settings, "gc").CombinedOutput()
	if err != nil {
		t.Fatalf("gc: %v\n%s", err, out)
	}
	return string(out)
}

// ours lists the engine's objects of this world's jobs by name, with their labels. A host may
// have other objects.
func ours(t *testing.T) map[string]map[string]string {
	t.Helper()
	_, instance, _ := strings.Cut(world.Git.Base, "://")
	found, sandboxes := labelsOf(t, ""), map[string]bool{}
	for _, l := range found {
		if strings.HasPrefix(l["gitlab-dind-executor.job"], instance+"/") {
			sandboxes[l["gitlab-dind-executor.sandbox"]] = true
		}
	}
	for name, l := range found {
		if !sandboxes[l["gitlab-dind-executor.sandbox"]] {
			delete(found, name)
		}
	}
	return found
}

// nothingLeft waits until the removal behind a cleanup is done.
func nothingLeft(t *testing.T) {
	t.Helper()
	until(t, "the removal behind the cleanup", func() bool { return len(ours(t)) == 0 })
}

// until waits for a condition on the engine, or fails.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func TestPrepareIsKilledAndTheNextAttemptSucceeds(t *testing.T) {
	has := func(suffix string, running bool) func(t *testing.T) bool {
		return func(t *testing.T) bool {
			for name := range ours(t) {
				if !strings.HasSuffix(name, suffix) {
					continue
				}
				if !running {
					return true
				}
				c, err := world.Engine.ContainerInspect(t.Context(), name)
				return err == nil && c.State.Status == container.StateRunning
			}
			return false
		}
	}
	for name, when := range map[string]func(t *testing.T) bool{
		"at once":                         func(*testing.T) bool { return true },
		"when the first object is there":  func(t *testing.T) bool { return len(ours(t)) > 0 },
		"when the sidecar is there":       has("-sidecar", false),
		"when the job container is there": has("-job", false),
		"when the sidecar runs":           has("-sidecar", true),
	} {
		t.Run(name, func(t *testing.T) {
			rig.Unchanged(t, world.Engine)
			var once sync.Once
			killed := make(chan struct{})
			p := world.Job(`docker version --format 'server {{.Server.Os}}'`)
			p.Services = append(p.Services, local.Image{Name: rig.ImageRedis}) // so that prepare waits for the daemon
			r := runJobUnchecked(t, p, func(r *local.Runner) {
				r.OnHook = func(h local.Hook) {
					if h.Kind != local.Prepare || h.Attempt > 1 {
						return
					}
					once.Do(func() {
						until(t, name, func() bool { return when(t) })
						_ = syscall.Kill(-h.PID, syscall.SIGKILL)
						close(killed)
					})
				}
			})
			<-killed
			r.succeeded().says("server linux")
			if r.Attempts != 2 {
				t.Fatalf("the job needed %d attempts, want 2", r.Attempts)
			}
			gc(t)
		})
	}
}

func TestRunIsKilledAndCleanupRemovesAll(t *testing.T) {
	r := runJob(t, world.Job(`echo running; sleep 300`), func(r *local.Runner) {
		log := r.Log.(*buffer)
		r.OnHook = func(h local.Hook) {
			if h.Stage == "build_script" {
				go func() {
					until(t, "the script", func() bool { return strings.Contains(log.String(), "\nrunning\n") })
					_ = syscall.Kill(-h.PID, syscall.SIGKILL)
				}()
			}
		}
	})
	r.quietCleanup()
	if r.State != local.SystemFailure {
		t.Fatalf("the job ended as %s, want a system failure", r.State)
	}
}

func TestRunnerIsKilledAndGCRemovesAll(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	runner, err := world.StartMortal(t.Context(), world.Settings, world.Job(`docker version >/dev/null; sleep 300`))
	if err != nil {
		t.Fatal(err)
	}
	var hook local.Hook
	for hook = range runner.Hooks {
		if hook.Stage == "build_script" {
			break
		}
	}
	if hook.Stage != "build_script" {
		t.Fatal("the job did not come to its script")
	}
	if said := gc(t); !strings.Contains(said, "nothing to remove") {
		t.Fatalf("gc touched a living job: %s", said)
	}
	if err := runner.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = syscall.Kill(-hook.PID, syscall.SIGKILL)
	runner.Wait()
	if said := gc(t); !strings.Contains(said, "its owner is dead") {
		t.Fatalf("gc said: %s", said)
	}
	if left := ours(t); len(left) > 0 {
		t.Fatalf("gc left %v", left)
	}
}

func TestCleanupWhileTheScriptRunsAndAgain(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	p := world.Job(`echo running; sleep 300`)
	var log *buffer
	job, finish := startJob(t.Context(), t, p, func(r *local.Runner) { log = r.Log.(*buffer) })
	log.waitFor(t, job, "\nrunning\n")

	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "response.json")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		cleanup := exec.CommandContext(t.Context(), world.Binary, "--settings", world.Settings, "cleanup")
		cleanup.Env = append(os.Environ(), "JOB_RESPONSE_FILE="+file)
		var out bytes.Buffer
		cleanup.Stdout, cleanup.Stderr = &out, &out
		if err := cleanup.Run(); err != nil || out.Len() > 0 {
			t.Fatalf("cleanup: %v, it said %q", err, out.String())
		}
		nothingLeft(t)
	}
	r := finish(job.Wait()).quietCleanup()
	if r.State == local.Success {
		t.Fatal("a job whose container was removed succeeded")
	}
}

// daemonLost runs a job whose script ends with code 7 once its daemon is gone.
func daemonLost(t *testing.T, lose func(sidecar string) error) ran {
	t.Helper()
	var log *buffer
	rig.Unchanged(t, world.Engine)
	job, finish := startJob(t.Context(), t, world.Job(
		`docker version >/dev/null && echo running`,
		`while docker version >/dev/null 2>&1; do sleep 0.1; done; echo the daemon is gone; exit 7`,
	), func(r *local.Runner) { log = r.Log.(*buffer) })
	log.waitFor(t, job, "\nrunning\n")
	for name := range ours(t) {
		if strings.HasSuffix(name, "-sidecar") {
			if err := lose(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	return finish(job.Wait()).quietCleanup()
}

// A restart of the engine does the same. The script is not to blame, and a retry helps. A
// script's attack on its own daemon is another matter.
func TestSidecarIsEndedFromOutsideUnderTheScript(t *testing.T) {
	for name, lose := range map[string]func(sidecar string) error{
		"stopped": func(name string) error { return world.Engine.ContainerStop(t.Context(), name, container.StopOptions{}) },
		"killed":  func(name string) error { return world.Engine.ContainerKill(t.Context(), name, "KILL") },
	} {
		t.Run(name, func(t *testing.T) {
			r := daemonLost(t, lose)
			if r.State != local.SystemFailure {
				t.Errorf("the job ended as %s, want a system failure", r.State)
			}
			r.says("the daemon is gone", "was stopped from outside while its script ran", "hint: run the job again")
		})
	}
}
