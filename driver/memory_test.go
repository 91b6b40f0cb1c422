package driver

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/test/ends"
)

const statsCall = "GET /containers/{id}/stats"

func TestPeakMemoryIsWhatAStatusShows(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	d.bounds.MemoryEvery = time.Millisecond
	sandboxes(t, e, 1)
	const job = "gitlab.example.com/100"
	m := d.WatchMemory(t.Context(), job)
	ends.ByItself(t, func() {
		for e.Count(statsCall) < 3 {
			runtime.Gosched()
		}
	})
	if most := m.End(); most != 2<<20 {
		t.Errorf("the most is %d", most)
	}
	after := e.Count(statsCall)
	u, err := d.Usage(t.Context(), job)
	if err != nil || u.Memory != 2<<20 || u.PeakMemory != 0 {
		t.Errorf("%+v, %v", u, err)
	}
	if now := e.Count(statsCall); now != after+1 {
		t.Errorf("%d looks after the end", now-after-1)
	}
}

// A script that is over at once costs its engine no question.
func TestAShortScriptIsNotLookedAt(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	sandboxes(t, e, 1)
	before := len(e.Calls())
	if most := d.WatchMemory(t.Context(), "gitlab.example.com/100").End(); most != 0 || len(e.Calls()) != before {
		t.Errorf("%d, after %q", most, e.Calls()[before:])
	}
}

// What earlier jobs or a seed have put on disk is not this job's.
func TestDiskIsTheJobsOwn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		layers  plan.LayersState
		place   string
		counted bool
	}{
		"an empty beginning":       {"", "", true},
		"layers for the next jobs": {plan.LayersFirst, "", true},
		"layers of earlier jobs":   {plan.LayersReused, "", false},
		"a seed":                   {"", plan.SeedPath, false},
	} {
		e, d := fakeHost(t, nil)
		sandboxes(t, e, 1)
		e.Remove(label.ObjectName(fmt.Sprintf("%012x", 1), plan.RoleSidecar))
		l := label.InSandbox(fmt.Sprintf("%012x", 1), plan.RoleSidecar)
		if c.layers != "" {
			l[label.Layers] = string(c.layers)
		}
		e.AddContainer(label.ObjectName(fmt.Sprintf("%012x", 1), plan.RoleSidecar), l, true)
		e.MountAt(label.ObjectName(fmt.Sprintf("%012x", 1), plan.RoleSidecar), slices.DeleteFunc([]string{"/var/lib/docker", c.place}, func(p string) bool { return p == "" })...)
		if _, err := d.Usage(t.Context(), "gitlab.example.com/100"); err != nil {
			t.Error(err)
		}
		if counted := e.Count("POST /containers/{id}/exec") > 0; counted != c.counted {
			t.Errorf("%s: counted %t, want %t", name, counted, c.counted)
		}
	}
}
