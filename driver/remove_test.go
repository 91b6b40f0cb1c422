package driver

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/ends"
	"gitlab-dind-executor/test/fakeengine"
)

const testJob = "gitlab.example.com/7"

// sandboxOf puts a job's sandbox on an engine.
func sandboxOf(e *fakeengine.Engine, job, id, owner string) {
	of := func(role string) map[string]string { return map[string]string{label.Sandbox: id, label.Role: role} }
	claim := of("job")
	claim[label.Job], claim[label.Owner], claim[label.Deadline] = job, owner, noon.Format(time.RFC3339)
	e.AddNetwork("dind-"+id, of("network"))
	e.AddVolume("dind-"+id+"-builds", of("builds"))
	e.AddVolume("dind-"+id+"-data", of("data"))
	e.AddContainer("dind-"+id+"-sidecar", of("sidecar"), true)
	e.AddContainer("dind-"+id+"-helper", of("helper"), true)
	e.AddContainer("dind-"+id+"-job", claim, true)
}

func TestCleanupRemovesAllOfAJobAndNothingElse(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
	sandboxOf(e, testJob, "bbbbbbbbbbbb", "") // of an earlier attempt
	e.AddContainer("somebody-elses", nil, true)
	e.AddVolume("somebody-elses", nil)
	e.AddNetwork("bridge", nil)
	sandboxOf(e, testJob+"1", "cccccccccccc", "") // this job's id begins in the same way
	others := slices.DeleteFunc(e.Objects(), func(o string) bool { return strings.Contains(o, "aaaa") || strings.Contains(o, "bbbb") })
	for range 2 { // Cleanup is idempotent
		if err := d.Cleanup(t.Context(), testJob); err != nil {
			t.Fatal(err)
		}
		if left := e.Objects(); !slices.Equal(left, others) {
			t.Errorf("left are %q, want %q", left, others)
		}
	}
	if err := d.Cleanup(t.Context(), "gitlab.example.com/999"); err != nil {
		t.Errorf("a job that has nothing: %v", err)
	}
}

// A used sandbox without its job container looks unclaimed. By then it must have lost its
// network, which makes it an orphan. A volume cannot go before its containers.
func TestRemovalTakesTheNetworkBeforeTheClaimAndVolumesLast(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
	check := fakeengine.Then(func(e *fakeengine.Engine) {
		left := strings.Join(e.Objects(), " ")
		if strings.Contains(left, "network") && !strings.Contains(left, "-job") {
			t.Errorf("the claim went before the network: %s", left)
		}
		if strings.Contains(left, "container") && !strings.Contains(left, "-builds") {
			t.Errorf("a volume went before its containers: %s", left)
		}
	})
	for _, call := range []string{"DELETE /containers/{id}", "DELETE /volumes/{name}", "DELETE /networks/{id}"} {
		e.Always(call, check)
	}
	if err := d.Cleanup(t.Context(), testJob); err != nil {
		t.Fatal(err)
	}
	if left := e.Objects(); len(left) != 0 {
		t.Errorf("left are %q", left)
	}
}

func TestCleanupToleratesWhatOthersRemoved(t *testing.T) {
	t.Parallel()
	for call, names := range map[string][]string{
		"DELETE /containers/{id}": {"-sidecar", "-helper", "-job"},
		"DELETE /volumes/{name}":  {"-builds", "-data"},
		"DELETE /networks/{id}":   {""},
	} {
		t.Run(call, func(t *testing.T) {
			e, d := fakeHost(t, nil)
			sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
			e.Always(call, fakeengine.First(func(e *fakeengine.Engine) {
				for _, n := range names {
					e.Remove("dind-aaaaaaaaaaaa" + n)
				}
			}))
			if err := d.Cleanup(t.Context(), testJob); err != nil {
				t.Fatal(err)
			}
			if left := e.Objects(); len(left) != 0 {
				t.Errorf("left are %q", left)
			}
		})
	}
}

func TestCleanupTriesAgainWhileTheEngineIsBusy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		call   string
		answer fakeengine.Answer
	}{
		"a container that cannot be stopped yet": {"DELETE /containers/{id}", fakeengine.Refuse(500, "could not kill: tried to kill container, but did not receive an exit event")},
		"a volume in use":                        {"DELETE /volumes/{name}", fakeengine.Refuse(409, "remove dind-aaaaaaaaaaaa-data: volume is in use")},
		"a network in use":                       {"DELETE /networks/{id}", fakeengine.Refuse(403, "error while removing network: network dind-aaaaaaaaaaaa has active endpoints")},
		"a connection that was cut":              {"DELETE /networks/{id}", fakeengine.Drop()},
	} {
		t.Run(name, func(t *testing.T) {
			e, d := fakeHost(t, nil)
			sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
			e.Script(c.call, c.answer, c.answer, c.answer)
			if err := d.Cleanup(t.Context(), testJob); err != nil {
				t.Fatal(err)
			}
			if left := e.Objects(); len(left) != 0 {
				t.Errorf("left are %q", left)
			}
		})
	}
}

func TestCleanupWaitsForARemovalThatIsUnderWay(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
	conflict := fakeengine.Refuse(409, "removal of container dind-aaaaaaaaaaaa-sidecar is already in progress")
	e.Script("DELETE /containers/{id}", conflict, conflict)
	waiting := make(chan struct{}, 10)
	e.Always("POST /containers/{id}/wait", fakeengine.First(func(*fakeengine.Engine) { waiting <- struct{}{} }))
	done := make(chan error, 1)
	go func() { done <- d.Cleanup(context.WithoutCancel(t.Context()), testJob) }()
	<-waiting
	<-waiting
	e.Remove("dind-aaaaaaaaaaaa-sidecar")
	e.Remove("dind-aaaaaaaaaaaa-helper")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if left := e.Objects(); len(left) != 0 {
		t.Errorf("left are %q", left)
	}
}

// The engine carries out a request even after its client has died.
func TestCleanupRemovesWhatAppearsWhileItWorks(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
	late := func(e *fakeengine.Engine) {
		e.AddContainer("dind-aaaaaaaaaaaa-service-0", map[string]string{label.Sandbox: "aaaaaaaaaaaa", label.Role: "service"}, false)
	}
	e.Script("DELETE /networks/{id}", fakeengine.Then(late))
	if err := d.Cleanup(t.Context(), testJob); err != nil {
		t.Fatal(err)
	}
	if left := e.Objects(); len(left) != 0 {
		t.Errorf("left are %q", left)
	}
}

func TestCleanupTellsAllThatItCouldNotRemove(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
	sandboxOf(e, testJob, "bbbbbbbbbbbb", "")
	d.bounds.RemoveFirstGap = time.Millisecond
	e.Always("DELETE /volumes/{name}", fakeengine.Refuse(403, "a plugin says no"))
	err := d.Cleanup(t.Context(), testJob)
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{"removing volume dind-aaaaaaaaaaaa-builds", "removing volume dind-aaaaaaaaaaaa-data", "a plugin says no"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q lacks %s", err, part)
		}
	}
	if fault.IsOfJob(err) {
		t.Errorf("error %v", err)
	}
	for _, object := range e.Objects() {
		if strings.HasPrefix(object, "container dind-aaaa") {
			t.Errorf("one fault kept %s", object)
		}
	}
	if slices.Contains(e.Objects(), "network dind-aaaaaaaaaaaa") {
		t.Error("the network is left: no sweep would know what is left as an orphan")
	}
}

// The volumes contain data of the job, and are removed all the same.
func TestAContainerThatStaysKeepsNothingElse(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	d.bounds.RemoveFirstGap = time.Millisecond
	sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
	stays := e.Container("dind-aaaaaaaaaaaa-helper").ID
	e.Always("DELETE /containers/{id}", func(e *fakeengine.Engine, w http.ResponseWriter, r *http.Request, usual http.HandlerFunc) {
		if r.PathValue("id") == stays {
			usual = func(w http.ResponseWriter, r *http.Request) { fakeengine.Refuse(500, "a plugin says no")(e, w, r, nil) }
		}
		usual(w, r)
	})
	if err := d.Cleanup(t.Context(), testJob); err == nil || !strings.Contains(err.Error(), "a plugin says no") {
		t.Errorf("error %v", err)
	}
	if left := e.Objects(); !slices.Equal(left, []string{"container dind-aaaaaaaaaaaa-helper"}) {
		t.Errorf("left are %q", left)
	}
}

func TestCleanupEndsWithItsTime(t *testing.T) {
	t.Parallel()
	for _, call := range []string{
		"GET /containers/json", "GET /volumes", "GET /networks", "DELETE /containers/{id}", "DELETE /volumes/{name}", "DELETE /networks/{id}",
		"POST /containers/{id}/kill",
	} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			e, d := fakeHost(t, nil)
			sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
			e.Always(call, fakeengine.Hang())
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			var err error
			ends.ByItself(t, func() { err = d.Cleanup(ctx, testJob) })
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestCleanupTellsWhatItCouldNotSee(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"GET /containers/json", "GET /volumes", "GET /networks"} {
		for name, answer := range map[string]fakeengine.Answer{
			"refused": fakeengine.Refuse(500, "bad"), "nonsense": fakeengine.Nonsense(), "cut off": fakeengine.Drop(),
		} {
			t.Run(call+" "+name, func(t *testing.T) {
				t.Parallel()
				e, d := fakeHost(t, nil)
				sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
				e.Always(call, answer)
				if err := d.Cleanup(t.Context(), testJob); err == nil || !strings.Contains(err.Error(), "listing what is ours") {
					t.Errorf("error %v", err)
				}
				if n := len(e.Objects()); n != 6 {
					t.Errorf("%d objects are left of 6", n)
				}
			})
		}
	}
}

func TestCleanupWaitsForAnEngineThatRestarts(t *testing.T) {
	t.Parallel()
	p := testPlan(t)
	e, d := fakeHost(t, p)
	d.bounds.EngineGap = time.Millisecond
	if _, err := d.Prepare(t.Context(), p, quiet); err != nil {
		t.Fatal(err)
	}
	e.Script("GET /containers/json", fakeengine.Drop(), fakeengine.Drop())
	if rest, err := d.CleanupPatiently(t.Context(), p.Claim.Job); err != nil || rest {
		t.Fatal(rest, err)
	}
	if left := e.Objects(); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestCleanupReportsAnEngineThatDoesNotComeBack(t *testing.T) {
	d, err := Open("unix:///nonexistent/docker.sock")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	d.bounds.EngineGap = time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := d.CleanupPatiently(ctx, "gitlab.example.com/1"); err == nil || !strings.Contains(fault.HintOf(err), "is it running?") {
		t.Errorf("error %v, hint %s", err, fault.HintOf(err))
	}
}
