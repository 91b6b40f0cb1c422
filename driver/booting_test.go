package driver

import (
	"net"
	"net/http"
	"testing"
	"time"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/test/fakeengine"
)

// A daemon on the layers of earlier jobs may have to be replaced, so no script begins
// before the daemon answers.
func TestNoScriptBeginsBeforeADaemonOnLayersOfEarlierJobsAnswers(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp4", "127.44.7.9:2375") // like a daemon without TLS
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	first := layeredPlan(t, "aaaaaaaaaaaa")
	e, d := fakeHost(t, first)
	e.AddImage(first.Sidecar.Image.Name, fakeengine.Image{Entrypoint: []string{"dockerd-entrypoint.sh"}, Env: []string{"DOCKER_VERSION=28.5.2"}})
	e.OnStart = func(c *fakeengine.Container) {
		if c.Labels[label.Role] == string(plan.RoleSidecar) {
			c.IP, c.Started = "127.44.7.9", time.Now()
		}
	}
	for _, c := range []struct {
		plan  *plan.Plan
		early bool
	}{{first, true}, {layeredPlan(t, "bbbbbbbbbbbb"), false}} {
		early := false
		if _, err := d.Prepare(t.Context(), c.plan, quiet); err != nil {
			t.Fatal(err)
		}
		if _, err := d.AwaitDaemon(t.Context(), c.plan.Claim.Job, time.Minute, plan.Given{}, func() { early = true }, quiet); err != nil {
			t.Fatal(err)
		}
		if early != c.early {
			t.Errorf("sandbox %s: a script begins early: %t", c.plan.Sandbox, early)
		}
		if err := d.Cleanup(t.Context(), c.plan.Claim.Job); err != nil {
			t.Fatal(err)
		}
	}
}
