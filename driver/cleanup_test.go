package driver

import (
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
	for call, c := range map[string]struct {
		hangs  int
		left   []string
		reason string
	}{
		"DELETE /volumes/{name}":  {2, []string{"volume dind-aaaaaaaaaaaa-builds", "volume dind-aaaaaaaaaaaa-data"}, "its network is gone"},
		"DELETE /containers/{id}": {2, []string{"container dind-aaaaaaaaaaaa-sidecar", "container dind-aaaaaaaaaaaa-helper", "container dind-aaaaaaaaaaaa-job"}, "its network is gone"},
		"DELETE /networks/{id}":   {1, []string{"network dind-aaaaaaaaaaaa"}, "its owner is dead"},
	} {
		t.Run(call, func(t *testing.T) {
			shortly(t, &restPatience, 50*time.Millisecond)
			e, d := fakeHost(t, nil)
			sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
			e.Script(call, slices.Repeat([]fakeengine.Answer{fakeengine.Hang()}, c.hangs)...)
			rest, err := d.CleanupPatiently(t.Context(), testJob)
			if err != nil || !slices.Equal(rest, []string{"aaaaaaaaaaaa"}) {
				t.Fatalf("rest %q (%v)", rest, err)
			}
			objects := e.Objects()
			for _, o := range c.left {
				if !slices.Contains(objects, o) {
					t.Errorf("left is %q", objects)
				}
			}
			verdicts, err := d.Sweep(t.Context(), noon, time.Hour, true)
			if err != nil || len(verdicts) != 1 || verdicts[0].Fate != Swept || verdicts[0].Reason != c.reason {
				t.Errorf("what is left is no orphan: %+v, left %q (%v)", verdicts, objects, err)
			}
			if err := d.RemoveRest(t.Context(), rest); err != nil || len(e.Objects()) != 0 {
				t.Errorf("left %q (%v)", e.Objects(), err)
			}
		})
	}
}

// As long as network and job container are there, nobody else would finish it.
func TestTheJobWaitsUntilItsSandboxIsAnOrphan(t *testing.T) {
	shortly(t, &restPatience, time.Millisecond)
	shortly(t, &removeFirstGap, time.Millisecond)
	e, d := fakeHost(t, nil)
	sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
	e.Always("DELETE /networks/{id}", fakeengine.Refuse(403, "network has active endpoints"))
	e.Always("DELETE /containers/{id}", fakeengine.Refuse(500, "the engine is in a bad way"))
	rest, err := d.CleanupPatiently(t.Context(), testJob)
	if len(rest) != 0 || err == nil || !strings.Contains(err.Error(), "removing sandbox aaaaaaaaaaaa") || !strings.Contains(fault.HintOf(err), "gc") {
		t.Errorf("rest %q, %v", rest, err)
	}
	if !slices.Contains(e.Objects(), "container dind-aaaaaaaaaaaa-job") {
		t.Errorf("the claim went before the others: %q", e.Objects())
	}
}

func TestAHookWaitsForAnEngineThatRestarts(t *testing.T) {
	shortly(t, &engineGap, time.Millisecond)
	e, d := fakeHost(t, nil)
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
	shortly(t, &engineGap, time.Millisecond)
	shortly(t, &engineAbsence, 20*time.Millisecond)
	t.Setenv("DOCKER_HOST", "")
	d, err := Open("unix:///nonexistent/docker.sock")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Await(t.Context(), quiet); err == nil || !strings.Contains(fault.HintOf(err), "is it running?") {
		t.Errorf("error %v, hint %s", err, fault.HintOf(err))
	}
}
