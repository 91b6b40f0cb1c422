package driver

import (
	"context"
	"runtime"
	"testing"
	"time"

	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/registry"
	"gitlab-dind-executor/test/fakeengine"
)

// fakeHost is a fake engine with the images of a plan and a driver for it.
// When the test ends, nothing of either may still run.
func fakeHost(t *testing.T, p *plan.Plan) (*fakeengine.Engine, *Driver) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() { // after the engine and the driver have been closed
		deadline := time.NewTimer(10 * time.Second)
		defer deadline.Stop()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for runtime.NumGoroutine() > before {
			select {
			case <-tick.C:
			case <-deadline.C:
				stacks := make([]byte, 1<<20)
				t.Errorf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
				return
			}
		}
	})
	e := fakeengine.New(t)
	t.Cleanup(func() {
		if n := e.Forced(); n > 0 {
			t.Errorf("%d volumes were to be removed by force, by which an engine forgets whose they are", n)
		}
	})
	if p != nil {
		for _, name := range []string{p.Sidecar.Image.Name, p.Helper.Image.Name, p.Job.Image.Name, "redis:7"} {
			e.AddImage(name, fakeengine.Image{Entrypoint: []string{"dockerd-entrypoint.sh"}})
		}
	}
	for _, key := range []string{"DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_API_VERSION"} {
		t.Setenv(key, "") // a developer's own engine is none of these tests' business
	}
	d, err := Open(e.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	// No registry is in reach but through the engine.
	d.registries = func(context.Context, string, registry.Credential) (string, error) { return "", &registry.Unreachable{} }
	d.locks.Dirs = []string{t.TempDir()} // not the host's
	return e, d
}

// shortly bounds what a test waits for in vain.
func shortly(t *testing.T, bound *time.Duration, d time.Duration) {
	t.Helper()
	old := *bound
	*bound = d
	t.Cleanup(func() { *bound = old })
}
