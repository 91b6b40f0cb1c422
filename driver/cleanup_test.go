package driver

import (
	"context"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/driver/sandbox"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/group"
	"gitlab-dind-executor/test/ends"
	"gitlab-dind-executor/test/fakeengine"
)

// The removal of gigabytes may take long, and no job waits for it. Everybody sees that the
// remains belong to no living job.
func TestAJobWaitsForNoRemoval(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
	sandboxOf(e, testJob, "bbbbbbbbbbbb", "") // of an earlier attempt
	sandboxOf(e, testJob+"1", "cccccccccccc", "")
	e.Always("POST /containers/{id}/kill", fakeengine.Then(func(e *fakeengine.Engine) {
		if !slices.Contains(e.Objects(), "volume dind-aaaaaaaaaaaa-ended") {
			t.Errorf("something is killed before the mark is there: %q", e.Objects())
		}
	}))
	for range 2 { // End is idempotent
		ended, err := d.End(t.Context(), testJob)
		if err != nil || !ended.Sandboxes || ended.Layers {
			t.Fatalf("ended %+v (%v)", ended, err)
		}
	}
	for _, call := range e.Calls() {
		if strings.HasPrefix(call, "DELETE") {
			t.Errorf("the job waits for %s", call)
		}
	}
	found, err := d.eng.Ours(t.Context(), label.Sandbox)
	if err != nil {
		t.Fatal(err)
	}
	for id, s := range found {
		for _, c := range s.Containers {
			if want := id == "cccccccccccc"; c.Running != want {
				t.Errorf("%s runs: %t", c.Name, c.Running)
			}
		}
	}
	states, err := d.CountSandboxes(t.Context(), time.Now(), time.Hour)
	if err != nil || states[looking.Going] != 2 {
		t.Errorf("states %v (%v)", states, err)
	}
	for after, want := range map[time.Duration]sandbox.Fate{time.Minute: sandbox.Spared, 5 * time.Minute: sandbox.Swept} {
		verdicts, err := d.Sweep(t.Context(), time.Now().Add(after), 24*time.Hour, true)
		if err != nil || len(verdicts) != 3 || verdicts[0].Fate != want || verdicts[1].Fate != want {
			t.Errorf("after %s: %+v (%v)", after, verdicts, err)
		}
	}
	if rest, err := d.CleanupPatiently(t.Context(), testJob); rest || err != nil {
		t.Errorf("rest %t (%v)", rest, err)
	}
	if left := strings.Join(e.Objects(), " "); strings.Contains(left, "aaaa") || strings.Contains(left, "bbbb") || !strings.Contains(left, "cccc") {
		t.Errorf("left %q", left)
	}
}

// A small pool of subnets has none to spare for jobs that have ended.
func TestAJobGetsTheSubnetOfOneThatHasEnded(t *testing.T) {
	t.Parallel()
	p := testPlan(t)
	e, d := fakeHost(t, p)
	p.Network.Pool, p.Network.SubnetBits = netip.MustParsePrefix("10.231.7.0/26"), 26
	sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
	if _, err := d.End(t.Context(), testJob); err != nil {
		t.Fatal(err)
	}
	e.Script("POST /networks/create", fakeengine.Refuse(403, "Pool overlaps with other one on this address space"))
	if _, err := d.Prepare(t.Context(), p, quiet); err != nil {
		t.Fatal(err)
	}
	if left := strings.Join(e.Objects(), " "); strings.Contains(left, "aaaaaaaaaaaa") {
		t.Errorf("left are %q", left)
	}
}

func TestAJobWithoutSandboxesLeavesNoMark(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	if ended, err := d.End(t.Context(), testJob); err != nil || ended.Sandboxes || len(e.Objects()) != 0 {
		t.Errorf("ended %+v (%v), there are %q", ended, err, e.Objects())
	}
}

// A container that cannot be killed does not stop the job's end. Its removal comes later.
func TestAKillThatHangsKeepsNoJob(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	d.bounds.EndWait = 50 * time.Millisecond
	sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
	e.Always("POST /containers/{id}/kill", fakeengine.Hang())
	var ended Ended
	var err error
	ends.ByItself(t, func() { ended, err = d.End(t.Context(), testJob) })
	if err != nil || !ended.Sandboxes {
		t.Errorf("ended %+v (%v)", ended, err)
	}
}

// An engine counts an endpoint for ever. Everything else of the ended job goes, and the mark
// lets later sweeps remove the network.
func TestANetworkInUseForEverKeepsNothingButItsMark(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	d.bounds.RemoveFirstGap, d.bounds.FinishGaps = time.Millisecond, nil
	sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
	if _, err := d.End(t.Context(), testJob); err != nil {
		t.Fatal(err)
	}
	e.Always("DELETE /networks/{id}", fakeengine.Refuse(403, "network has active endpoints"))
	rest, err := d.CleanupPatiently(t.Context(), testJob)
	if hint := fault.HintOf(err); rest || err == nil || !strings.Contains(err.Error(), "active endpoints") ||
		!strings.Contains(hint, "docker network inspect dind-aaaaaaaaaaaa. ") || !strings.Contains(hint, "restart of the engine") || !strings.Contains(hint, "gc") {
		t.Errorf("rest %t, %v, hint %q", rest, err, hint)
	}
	left := []string{"volume dind-aaaaaaaaaaaa-ended", "network dind-aaaaaaaaaaaa"}
	if got := e.Objects(); !slices.Equal(got, left) {
		t.Fatalf("left are %q, want %q", got, left)
	}
	verdicts, err := d.Sweep(t.Context(), time.Now().Add(time.Hour), time.Hour, false)
	if err == nil || len(verdicts) != 1 || !verdicts[0].Failed {
		t.Errorf("verdicts %+v, %v", verdicts, err)
	}
	if got := e.Objects(); !slices.Equal(got, left) {
		t.Fatalf("left are %q, want %q", got, left)
	}
	e.Always("DELETE /networks/{id}", fakeengine.First(func(*fakeengine.Engine) {})) // the engine has restarted
	verdicts, err = d.Sweep(t.Context(), time.Now().Add(time.Hour), time.Hour, false)
	if got := e.Objects(); err != nil || len(verdicts) != 1 || len(got) != 0 {
		t.Errorf("left are %q, verdicts %+v, %v", got, verdicts, err)
	}
}

// An engine that could not kill a job container well keeps its endpoint until the container is
// removed.
func TestAJobContainerThatKeepsItsNetworkGoesBefore(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	d.bounds.RemoveFirstGap, d.bounds.FinishGaps = time.Millisecond, nil
	sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
	var refused atomic.Int64
	e.Always("DELETE /networks/{id}", func(e *fakeengine.Engine, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		objects := e.Objects()
		if !slices.Contains(objects, "container dind-aaaaaaaaaaaa-job") {
			next(w, r)
			return
		}
		refused.Add(1)
		fakeengine.Refuse(403, "network has active endpoints")(e, w, r, next)
	})
	rest, err := d.CleanupPatiently(t.Context(), testJob)
	if left := e.Objects(); rest || err != nil || len(left) != 0 {
		t.Errorf("rest %t, %v, left %q", rest, err, left)
	}
	if refused.Load() < 2 {
		t.Errorf("the engine had %d tries with the job container", refused.Load())
	}
}

// A living container beside the job container may make a sandbox look warm without it.
func TestTheClaimOutlivesOtherContainersOfANetworkInUse(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	d.bounds.RemoveFirstGap, d.bounds.FinishGaps = time.Millisecond, nil
	sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
	e.Always("DELETE /networks/{id}", fakeengine.Refuse(403, "network has active endpoints"))
	e.Always("DELETE /containers/{id}", func(e *fakeengine.Engine, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		for _, c := range e.Containers() {
			if c.ID == r.PathValue("id") && strings.HasSuffix(c.Name, "-sidecar") {
				fakeengine.Refuse(500, "could not kill")(e, w, r, next)
				return
			}
		}
		next(w, r)
	})
	if _, err := d.CleanupPatiently(t.Context(), testJob); err == nil {
		t.Error("no error")
	}
	if left := e.Objects(); !slices.Contains(left, "container dind-aaaaaaaaaaaa-job") {
		t.Errorf("the claim went before the sidecar: %q", left)
	}
}

// An engine that has too much to do refuses some removals for minutes. No other job may come for
// an hour, so the last process that cares for the job tries again later.
func TestAnOverloadedEngineKeepsNoSandbox(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	d.bounds.RemoveFirstGap = time.Microsecond
	sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
	var refused atomic.Int64
	e.Always("DELETE /containers/{id}", func(e *fakeengine.Engine, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		if refused.Add(1) > 100 {
			next(w, r)
			return
		}
		fakeengine.Refuse(500, "Container failed to exit within 10 seconds of kill")(e, w, r, next)
	})
	d.bounds.FinishGaps = slices.Repeat([]time.Duration{time.Millisecond}, 100)
	rest, err := d.CleanupPatiently(t.Context(), testJob)
	if left := e.Objects(); rest || err != nil || len(left) != 0 {
		t.Errorf("rest %t, %v, left %q", rest, err, left)
	}
}

// The jobs of a whole pipeline may be cancelled in one second. The engine gets their removals in
// small numbers.
func TestRemovalsOfManyJobsWaitForEachOther(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
	var free []func()
	for range finishesAtOnce {
		free = append(free, d.locks.Slot(t.Context(), finishes, finishesAtOnce, time.Minute))
	}
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := d.CleanupPatiently(short, testJob); err == nil || len(e.Calls()) > 0 {
		t.Errorf("error %v, the engine got %q", err, e.Calls())
	}
	time.AfterFunc(10*time.Millisecond, free[finishesAtOnce/2])
	if _, err := d.CleanupPatiently(t.Context(), testJob); err != nil || len(e.Objects()) > 0 {
		t.Errorf("error %v, left %q", err, e.Objects())
	}
}

// A job may see to it that its removal hangs. Other jobs' removals do not wait for it.
func TestARemovalThatHangsKeepsNoOtherWaiting(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	d.bounds.FinishTurn = 10 * time.Millisecond
	sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
	hangs := make(chan struct{}, 99)
	e.Always("DELETE /containers/{id}", func(e *fakeengine.Engine, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		hangs <- struct{}{}
		fakeengine.Hang()(e, w, r, next)
	})
	ctx, cancel := context.WithCancel(t.Context())
	var g group.Group
	g.Go(func() error {
		_, err := d.CleanupPatiently(ctx, testJob)
		return err
	})
	<-hangs
	ends.ByItself(t, func() { d.locks.Slot(t.Context(), finishes, 1, time.Hour)() })
	cancel()
	if err := g.Wait(); err == nil {
		t.Error("the removal succeeds")
	}
}

func TestAHookWaitsForAnEngineThatRestarts(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	d.bounds.EngineGap = time.Millisecond
	e.Script("GET /_ping", fakeengine.Cut(), fakeengine.Cut(), fakeengine.Cut(), fakeengine.Cut())
	var said []string
	if err := d.Await(t.Context(), func(line string) { said = append(said, line) }); err != nil {
		t.Fatal(err)
	}
	if len(said) != 1 || !strings.Contains(said[0], "waiting for it") {
		t.Errorf("said %q", said)
	}
}

func TestAHookDoesNotWaitForAnEngineForever(t *testing.T) {
	d, err := Open("unix:///nonexistent/docker.sock")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	d.bounds.EngineGap, d.bounds.EngineAbsence = time.Millisecond, 20*time.Millisecond
	if err := d.Await(t.Context(), quiet); err == nil || !strings.Contains(fault.HintOf(err), "is it running?") {
		t.Errorf("error %v, hint %s", err, fault.HintOf(err))
	}
}

// The end of the hook's time does not hide that the engine is absent.
func TestAnAbsentEngineIsNotCalledSlow(t *testing.T) {
	t.Parallel()
	for range 20 { // the end may come before an attempt or within
		t.Run("", func(t *testing.T) {
			t.Parallel()
			d, err := Open("unix://" + filepath.Join(t.TempDir(), "none.sock"))
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			d.bounds.EngineGap = 0
			// On a loaded host the first attempt may need all this time.
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err = d.Await(ctx, func(string) { <-ctx.Done() })
			if err == nil || !strings.Contains(fault.HintOf(err), "is it running?") {
				t.Fatalf("error %v, hint %q", err, fault.HintOf(err))
			}
		})
	}
}
