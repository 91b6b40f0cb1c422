package driver

import (
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/owner"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/test/ends"
	"gitlab-dind-executor/test/fakeengine"
)

// What a sweep does with sandboxes that no job has taken.
func TestWhatASweepRemovesOfWhatWaits(t *testing.T) {
	living, gone, elsewhere := owner.Process{PID: 1}.String(), owner.Process{PID: 2}.String(), owner.Process{PID: 3}.String()
	lives := func(o owner.Process) owner.Life {
		return map[int]owner.Life{1: owner.Alive, 2: owner.Dead, 3: owner.Unknown}[o.PID]
	}
	const bound = 10 * time.Minute
	waiting := func(maker string, age, left time.Duration, running ...plan.Role) *engine.Objects {
		s := &engine.Objects{Sandbox: "0123456789ab", Networks: []engine.Object{{Role: plan.RoleNetwork, Labels: map[string]string{
			label.Owner: maker, label.Created: noon.Add(-age).Format(time.RFC3339), label.Deadline: noon.Add(left).Format(time.RFC3339),
		}}}}
		for _, role := range []plan.Role{plan.RoleSidecar, plan.RoleHelper} {
			s.Containers = append(s.Containers, engine.Object{Role: role})
		}
		for i, role := range running {
			s.Containers[i] = engine.Object{Role: role, Running: true}
		}
		return s
	}
	both := []plan.Role{plan.RoleSidecar, plan.RoleHelper}
	unlabelled := waiting("", 0, time.Hour)
	unlabelled.Networks[0].Labels = nil
	for name, c := range map[string]struct {
		s      *engine.Objects
		fate   Fate
		reason string
	}{
		"one that waits is left, though its maker is gone": {waiting(gone, bound, time.Hour, both...), Spared, "waits for a job"},
		"until its time is over":                           {waiting(gone, bound, -time.Second, both...), Swept, "long enough"},
		"one that is made is left":                         {waiting(living, bound+time.Hour, time.Hour), Spared, "its maker lives"},
		"half of one, too":                                 {waiting(living, 0, time.Hour, plan.RoleHelper), Spared, "its maker lives"},
		"unless its maker is dead":                         {waiting(gone, 0, time.Hour, plan.RoleHelper), Swept, "its maker is dead"},
		"so goes one whose containers have ended":          {waiting(gone, time.Hour, time.Hour), Swept, "its maker is dead"},
		"a maker elsewhere has the time that prepare has":  {waiting(elsewhere, bound, time.Hour), Spared, "being made"},
		"and no longer":                                    {waiting(elsewhere, bound+time.Second, time.Hour), Swept, "not complete"},
		"one of unknown age is left":                       {unlabelled, Spared, "being made"},
	} {
		t.Run(name, func(t *testing.T) {
			fate, reason := rules{noon, bound, lives}.verdict(c.s)
			if fate != c.fate || !strings.Contains(reason, c.reason) {
				t.Errorf("got %d %q, want %d %q", fate, reason, c.fate, c.reason)
			}
		})
	}
}

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
	list = append(list, part("e", plan.RoleSidecar, "running"), part("e", plan.RoleHelper, "running")) // made for a job that has not come so far
	for _, c := range []struct {
		at   time.Time
		want string
	}{{noon, "a"}, {noon.Add(time.Hour), ""}} {
		got := ""
		for _, a := range aheadOf(list) {
			if a.waits(c.at) {
				got += a.sandbox
			}
		}
		if got != c.want {
			t.Errorf("at %s %q wait, want %q", c.at, got, c.want)
		}
	}
}

// What a failure leaves is removed within a bound, or an engine that hangs would
// hold up whoever fills the pool.
func TestAFailureOnAnEngineThatHangsEnds(t *testing.T) {
	t.Parallel()
	p := testPlan(t)
	e, d := fakeHost(t, p)
	d.bounds.Clear = 200 * time.Millisecond
	e.Always("GET /containers/json", fakeengine.Hang())
	e.Always("POST /networks/create", fakeengine.Refuse(500, "the engine is in a bad way"))
	ended := make(chan error, 1)
	go func() {
		_, err := d.makeAhead(t.Context(), p.In(label.NewSandboxID()))
		ended <- err
	}()
	if err := ends.Await(t, ended, "the end of what failed"); err == nil || !strings.Contains(err.Error(), "in a bad way") {
		t.Errorf("error %v", err)
	}
}
