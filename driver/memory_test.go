package driver

import (
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"testing"
	"time"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/test/ends"
	"gitlab-dind-executor/test/fakeengine"
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
	if last := m.Last(); last.Received == 0 {
		t.Errorf("the last look has %+v", last)
	}
	u, err := d.Usage(t.Context(), job, looking.Traffic{})
	if err != nil || u.Memory != 2<<20 || u.PeakMemory != 0 {
		t.Errorf("%+v, %v", u, err)
	}
	if now := e.Count(statsCall); now != after+1 {
		t.Errorf("%d looks after the end", now-after-1)
	}
}

// A script that ends at once costs the engine no question.
func TestAShortScriptIsNotLookedAt(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	sandboxes(t, e, 1)
	before := len(e.Calls())
	if most := d.WatchMemory(t.Context(), "gitlab.example.com/100").End(); most != 0 || len(e.Calls()) != before {
		t.Errorf("%d, after %q", most, e.Calls()[before:])
	}
}

// Data of earlier jobs or of a seed do not count as this job's.
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
		if _, err := d.Usage(t.Context(), "gitlab.example.com/100", looking.Traffic{}); err != nil {
			t.Error(err)
		}
		if counted := e.Count("POST /containers/{id}/exec") > 0; counted != c.counted {
			t.Errorf("%s: counted %t, want %t", name, counted, c.counted)
		}
	}
}

// An older engine counts only once a second for all who ask, so a job uses the count of an
// earlier look. A newer engine is asked.
func TestAJobDoesNotWaitForACount(t *testing.T) {
	t.Parallel()
	for api, want := range map[string]uint64{"1.41": 7, "1.44": 1000} {
		e, d := fakeHost(t, nil)
		e.Always("GET /_ping", func(_ *fakeengine.Engine, w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
			w.Header().Set("API-Version", api)
		})
		if err := d.eng.Greet(t.Context()); err != nil {
			t.Fatal(err)
		}
		sandboxes(t, e, 1)
		if api == "1.41" {
			e.Always(statsCall, fakeengine.Hang())
		}
		u, err := d.Usage(t.Context(), "gitlab.example.com/100", looking.Traffic{Received: 7})
		if err != nil || u.Received != want {
			t.Errorf("API %s: received %d, want %d (%v)", api, u.Received, want, err)
		}
	}
}
