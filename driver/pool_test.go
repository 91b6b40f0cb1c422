package driver

import (
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/test/ends"
	"gitlab-dind-executor/test/fakeengine"
)

func TestWhichSandboxesWait(t *testing.T) {
	until := noon.Add(time.Hour).Format(time.RFC3339)
	part := func(sandbox string, role plan.Role, state string, more ...string) engine.Container {
		l := map[string]string{label.Sandbox: sandbox, label.Role: string(role), label.Spec: "aaaa", label.Created: noon.Format(time.RFC3339)}
		for i := 0; i < len(more); i += 2 {
			l[more[i]] = more[i+1]
		}
		return engine.Container{ID: sandbox + string(role), State: state, Labels: l}
	}
	var list []engine.Container
	list = append(list, part("a", plan.RoleSidecar, "running", label.Deadline, until), part("a", plan.RoleHelper, "running"))
	list = append(list, part("b", plan.RoleSidecar, "running", label.Deadline, until), part("b", plan.RoleHelper, "running"), part("b", plan.RoleJob, "created"))
	list = append(list, part("c", plan.RoleSidecar, "exited", label.Deadline, until), part("c", plan.RoleHelper, "running"))
	list = append(list, part("d", plan.RoleSidecar, "running", label.Deadline, until), part("d", plan.RoleHelper, "created"))
	list = append(list, part("e", plan.RoleSidecar, "running"), part("e", plan.RoleHelper, "running")) // made for a job whose container is still missing
	list = append(list, part("f", plan.RoleSidecar, "running", label.Deadline, until), part("f", plan.RoleHelper, "running"), part("f", plan.RoleRelay, "running"))
	list = append(list, part("g", plan.RoleSidecar, "running", label.Deadline, until), part("g", plan.RoleHelper, "running"), part("g", plan.RoleRelay, "exited"))
	for _, c := range []struct {
		at   time.Time
		want string
	}{{noon, "af"}, {noon.Add(time.Hour), ""}} {
		var waiting []string
		for _, a := range aheadOf(list) {
			if a.waits(c.at) {
				waiting = append(waiting, a.sandbox)
			}
		}
		slices.Sort(waiting) // all have the same age
		got := strings.Join(waiting, "")
		if got != c.want {
			t.Errorf("at %s %q wait, want %q", c.at, got, c.want)
		}
	}
}

// On a slow host a job would otherwise remove the sandbox that was made for it, and its
// layers too.
func TestASandboxThatBootsIsWaitedFor(t *testing.T) {
	for _, c := range []struct{ boots, age, want time.Duration }{
		{time.Minute, 0, time.Minute},
		{time.Minute, 20 * time.Second, 40 * time.Second},
		{time.Minute, 58 * time.Second, 5 * time.Second},
		{time.Minute, time.Hour, 5 * time.Second},
		{10 * time.Second, time.Hour, 5 * time.Second},
		{30 * time.Minute, 2 * time.Hour, 150 * time.Second},
		{time.Minute, -time.Hour, time.Minute}, // the clock was set back
	} {
		a := ahead{created: noon}
		if got := a.patience(c.boots, noon.Add(c.age)); got != c.want {
			t.Errorf("where daemons boot for %s, one of %s has %s, want %s", c.boots, c.age, got, c.want)
		}
	}
	if got := (&ahead{}).patience(time.Minute, noon); got != claimBound {
		t.Errorf("one of unknown age has %s", got)
	}
}

// The remains of a failure are removed within a bound. Otherwise a hanging engine would
// hold up the process that fills the pool.
func TestAFailureOnAnEngineThatHangsEnds(t *testing.T) {
	t.Parallel()
	p := testPlan(t)
	e, d := fakeHost(t, p)
	d.bounds.Clear = 200 * time.Millisecond
	e.Always("GET /containers/json", fakeengine.Hang())
	e.Always("POST /networks/create", fakeengine.Refuse(500, "the engine is in a bad way"))
	ended := make(chan error, 1)
	go func() {
		_, err := d.makeAhead(t.Context(), p.In(label.NewSandboxID()), d.yielding(), func() {})
		ended <- err
	}()
	if err := ends.Await(t, ended, "the end of what failed"); err == nil || !strings.Contains(err.Error(), "in a bad way") {
		t.Errorf("error %v", err)
	}
}
