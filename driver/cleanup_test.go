package driver

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/fakeengine"
)

// The removal of gigabytes takes as long as it takes. The job does not wait
// for it, and what is left is an orphan that a sweep finishes.
func TestTheJobDoesNotWaitForWhatIsLong(t *testing.T) {
	t.Parallel()
	for call, left := range map[string][]string{
		"DELETE /volumes/{name}":  {"volume dind-aaaaaaaaaaaa-builds", "volume dind-aaaaaaaaaaaa-data"},
		"DELETE /containers/{id}": {"container dind-aaaaaaaaaaaa-sidecar", "container dind-aaaaaaaaaaaa-helper", "container dind-aaaaaaaaaaaa-job"},
	} {
		t.Run(call, func(t *testing.T) {
			e, d := fakeHost(t, nil)
			d.bounds.RestPatience = 50 * time.Millisecond
			sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
			e.Script(call, slices.Repeat([]fakeengine.Answer{fakeengine.Hang()}, len(left))...)
			rest, err := d.CleanupPatiently(t.Context(), testJob)
			if err != nil || !rest {
				t.Fatalf("rest %t (%v)", rest, err)
			}
			objects := e.Objects()
			for _, o := range left {
				if !slices.Contains(objects, o) {
					t.Errorf("left is %q", objects)
				}
			}
			if strings.Contains(strings.Join(objects, " "), "network") {
				t.Errorf("what is left is no orphan: %q", objects)
			}
			verdicts, err := d.Sweep(t.Context(), noon, time.Hour, false)
			if err != nil || len(verdicts) != 1 || verdicts[0].Reason != "its network is gone" || len(e.Objects()) != 0 {
				t.Errorf("verdicts %+v, left %q (%v)", verdicts, e.Objects(), err)
			}
		})
	}
}

// As long as the network is there, nobody else would finish it.
func TestTheJobWaitsUntilItsSandboxIsAnOrphan(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	d.bounds.RestPatience = time.Millisecond
	sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
	sandboxOf(e, testJob, "bbbbbbbbbbbb", "")
	active := fakeengine.Refuse(403, "network has active endpoints")
	e.Script("DELETE /networks/{id}", active, active, active, active)
	rest, err := d.CleanupPatiently(t.Context(), testJob)
	if err != nil || strings.Contains(strings.Join(e.Objects(), " "), "network") {
		t.Errorf("rest %t, left %q (%v)", rest, e.Objects(), err)
	}
}

func TestCleanupFailsWhenTheNetworkStays(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	d.bounds.RemoveFirstGap = time.Millisecond
	sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
	e.Always("DELETE /networks/{id}", fakeengine.Refuse(403, "network has active endpoints"))
	rest, err := d.CleanupPatiently(t.Context(), testJob)
	if rest || err == nil || !strings.Contains(err.Error(), "active endpoints") || !strings.Contains(fault.HintOf(err), "gc") {
		t.Errorf("rest %t, %v", rest, err)
	}
	if !slices.Contains(e.Objects(), "container dind-aaaaaaaaaaaa-job") {
		t.Errorf("the claim went before the network: %q", e.Objects())
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

// The end of the hook's time says nothing of an engine that is not there.
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
			// The first attempt has enough of it on a loaded host.
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err = d.Await(ctx, func(string) { <-ctx.Done() })
			if err == nil || !strings.Contains(fault.HintOf(err), "is it running?") {
				t.Fatalf("error %v, hint %q", err, fault.HintOf(err))
			}
		})
	}
}
