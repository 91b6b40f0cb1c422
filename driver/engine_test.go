package driver

import (
	"context"
	"net"
	"strings"
	"testing"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/registry"
	"gitlab-dind-executor/test/fakeengine"
)

// fakeHost returns a fake engine with the images of a plan, and a driver for the engine. At
// the end of the test nothing of either may still run.
func fakeHost(t *testing.T, p *plan.Plan) (*fakeengine.Engine, *Driver) {
	t.Helper()
	nothingRunsOn(t)
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
	d, err := Open(e.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	// Registries can be reached only through the engine.
	d.images.Registries = func(context.Context, string, registry.Credential) (string, error) { return "", &registry.Unreachable{} }
	d.locks.Dirs = []string{t.TempDir()} // not the host's folders
	return e, d
}

// hereHost is fakeHost for an engine whose address is local.
func hereHost(t *testing.T, p *plan.Plan) (*fakeengine.Engine, *Driver) {
	t.Helper()
	e, d := fakeHost(t, p)
	_ = d.eng.Close()
	eng, err := engine.OpenBy("unix:///run/docker.sock", func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", strings.TrimPrefix(e.Host, "tcp://"))
	})
	if err != nil {
		t.Fatal(err)
	}
	here := over(eng)
	here.images.Registries, here.locks.Dirs = d.images.Registries, d.locks.Dirs
	t.Cleanup(func() { _ = here.Close() })
	return e, here
}

// unopened returns a connection to an engine that is never asked.
func unopened(t *testing.T, address string) *engine.Engine {
	t.Helper()
	e, err := engine.Open(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// The last lines end up in an error, and with the error in the logs of the job, the Runner
// and the operator.
func TestTheLastLinesOfAContainerMoveNoCursor(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	e.OnStart = func(c *fakeengine.Container) {
		c.Log = "\x1b]0;owned\a\x1b[2Jno \u009b5msuch flag\u202e\x00\nsee --help\r\n"
	}
	e.AddContainer("sidecar", nil, false)
	if err := d.eng.Start(t.Context(), "sidecar"); err != nil {
		t.Fatal(err)
	}
	if got, want := d.eng.LastLog(t.Context(), "sidecar"), ":\n  no such flag\n  see --help"; got != want {
		t.Errorf("they are %q, want %q", got, want)
	}
}
