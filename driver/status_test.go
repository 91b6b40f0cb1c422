package driver

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/driver/owner"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/test/ends"
	"gitlab-dind-executor/test/fakeengine"
)

// A sidecar that is not yet started has not ended.
func TestAStatusTellsOfADaemonThatHasEnded(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	sandboxes(t, e, 2)
	e.Exit(label.ObjectName(fmt.Sprintf("%012x", 1), plan.RoleSidecar), 137)
	e.AddContainer(label.ObjectName(fmt.Sprintf("%012x", 3), plan.RoleSidecar), label.InSandbox(fmt.Sprintf("%012x", 3), plan.RoleSidecar), false)
	e.AddNetwork(label.NetworkName(fmt.Sprintf("%012x", 3)), label.InSandbox(fmt.Sprintf("%012x", 3), plan.RoleNetwork))
	st, err := d.Status(context.Background(), &looking.Watcher{}, time.Now(), time.Minute)
	if err != nil || len(st.Sandboxes) != 3 {
		t.Fatalf("%+v, %v", st, err)
	}
	for i, s := range st.Sandboxes {
		if s.DaemonEnded != (i == 0) {
			t.Errorf("%+v", s)
		}
	}
}

// sandboxes adds sandboxes with jobs of a living Runner.
func sandboxes(t *testing.T, e *fakeengine.Engine, n int) {
	t.Helper()
	self, err := owner.This()
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		id := fmt.Sprintf("%012x", i+1)
		job := label.InSandbox(id, plan.RoleJob)
		for k, v := range label.Claim(plan.Claim{Job: fmt.Sprintf("gitlab.example.com/%d", 100+i), Owner: self.String(), Deadline: time.Now().Add(time.Hour)}) {
			job[k] = v
		}
		e.AddNetwork(label.NetworkName(id), label.InSandbox(id, plan.RoleNetwork))
		e.AddVolume(label.ObjectName(id, plan.RoleBuilds), label.InSandbox(id, plan.RoleBuilds))
		e.Fill(label.ObjectName(id, plan.RoleBuilds), 1<<20)
		e.AddContainer(label.ObjectName(id, plan.RoleSidecar), label.InSandbox(id, plan.RoleSidecar), true)
		e.AddContainer(label.ObjectName(id, plan.RoleHelper), label.InSandbox(id, plan.RoleHelper), true)
		e.AddContainer(label.ObjectName(id, plan.RoleJob), job, false)
	}
}

func TestAStatusAddsUpWhatContainersUse(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	sandboxes(t, e, 2)
	leave(e, plan.RoleCache, "a", time.Now(), 3<<20)
	var w looking.Watcher
	st, err := d.Status(context.Background(), &w, time.Now(), time.Minute)
	if err != nil || len(st.Sandboxes) != 2 || len(st.Missing) != 0 {
		t.Fatalf("%+v, %v", st, err)
	}
	for _, s := range st.Sandboxes {
		// Each of two containers uses half a processor, and 2 MiB without file caches.
		if s.CPUs < 0.99 || s.CPUs > 1.01 || s.Memory != 4<<20 || s.Disk != 1<<20 || s.Running != 2 {
			t.Errorf("%+v", s)
		}
	}
	if st.Cached.Caches != 1 || st.Cached.Size != 3<<20 {
		t.Errorf("%+v", st.Cached)
	}
	asked := e.Count("GET /containers/{id}/stats")
	if _, err := d.Status(context.Background(), &w, time.Now(), time.Minute); err != nil || e.Count("GET /containers/{id}/stats") != asked+4 || e.Count("GET /system/df") != 1 {
		t.Errorf("the second look asks %q (%v)", e.Calls(), err)
	}
}

// With thirty-two jobs and a silent engine, a status lacks its numbers, and takes no longer
// than its bound.
func TestASlowEngineCostsAStatusItsNumbersOnly(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	d.bounds.StatusCount = 300 * time.Millisecond
	sandboxes(t, e, 32)
	for _, call := range []string{"GET /containers/{id}/stats", "GET /containers/{id}/logs", "GET /system/df"} {
		e.Always(call, fakeengine.Hang())
	}
	var st looking.Status
	var err error
	ends.ByItself(t, func() { st, err = d.Status(context.Background(), &looking.Watcher{}, time.Now(), time.Minute) })
	if err != nil || len(st.Sandboxes) != 32 {
		t.Fatalf("%d sandboxes, %v", len(st.Sandboxes), err)
	}
	// The bound covers all questions: after it no question is asked.
	if n := e.Count("GET /containers/{id}/stats"); n > looking.StatusAtOnce {
		t.Errorf("%d containers were asked for, one after the other", n)
	}
	s := st.Sandboxes[0]
	if s.State != looking.Running || s.CPUs >= 0 || s.Memory >= 0 || s.Disk >= 0 {
		t.Errorf("%+v", s)
	}
	missing := strings.Join(st.Missing, "\n")
	if !strings.Contains(missing, "cpu and memory of 64 containers") || !strings.Contains(missing, "sizes on disk: ") {
		t.Errorf("missing is %q", missing)
	}
}

func TestWithoutListsThereIsNoStatus(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	d.bounds.StatusList = 100 * time.Millisecond
	e.Always("GET /containers/json", fakeengine.Hang())
	if _, err := d.Status(context.Background(), &looking.Watcher{}, time.Now(), time.Minute); err == nil {
		t.Error("there was one")
	}
}
