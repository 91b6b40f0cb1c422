package driver

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/sandbox"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/fakeengine"
)

// failedJob makes the sandbox of a job whose script is over.
func failedJob(t *testing.T) (objects func() []string, d *Driver) {
	t.Helper()
	e, d := fakeHost(t, nil)
	sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
	return e.Objects, d
}

func TestWhatIsHeldOutlivesCleanupAndSweepUntilItsTime(t *testing.T) {
	objects, d := failedJob(t)
	before := objects()
	now := time.Now().Truncate(time.Second)
	for range 2 { // cleanup may come twice
		held, err := d.Hold(t.Context(), testJob, now.Add(time.Hour))
		if err != nil || !held {
			t.Fatalf("held %t (%v)", held, err)
		}
		if rest, err := d.CleanupPatiently(t.Context(), testJob); rest || err != nil {
			t.Fatalf("rest %t (%v)", rest, err)
		}
	}
	slices.Sort(before)
	with := slices.Sorted(slices.Values(objects()))
	if want := slices.Sorted(slices.Values(append(before, "volume dind-aaaaaaaaaaaa-held"))); !slices.Equal(with, want) {
		t.Fatalf("held are %q, want %q", with, want)
	}
	for _, c := range []struct {
		at   time.Duration
		fate sandbox.Fate
	}{{0, sandbox.Spared}, {time.Hour - time.Second, sandbox.Spared}, {time.Hour, sandbox.Swept}} {
		verdicts, err := d.Sweep(t.Context(), now.Add(c.at), time.Hour, true)
		if err != nil || len(verdicts) != 1 || verdicts[0].Fate != c.fate || verdicts[0].Leaked() || !strings.Contains(verdicts[0].Reason, "held") {
			t.Errorf("after %s: %+v (%v), want %v", c.at, verdicts, err, c.fate)
		}
	}
	if _, err := d.Sweep(t.Context(), now.Add(time.Hour), time.Hour, false); err != nil || len(objects()) != 0 {
		t.Errorf("left are %q (%v)", objects(), err)
	}
}

// An earlier version gave the mark another role. All searches for held sandboxes find such
// a sandbox, and a cleanup by this version leaves it as it is.
func TestASandboxThatAnEarlierVersionHeldIsUnderstood(t *testing.T) {
	objects, d := failedJob(t)
	now := time.Now().UTC().Truncate(time.Second)
	until := now.Add(time.Hour)
	l := label.ForHeld("aaaaaaaaaaaa", testJob, until)
	l[label.Role] = "kept"
	if _, err := d.eng.CreateVolume(t.Context(), "dind-aaaaaaaaaaaa-kept", l); err != nil {
		t.Fatal(err)
	}
	before := slices.Sorted(slices.Values(objects()))
	if held, err := d.Hold(t.Context(), testJob, until.Add(time.Hour)); !held || err != nil {
		t.Errorf("a cleanup of this version holds it: %t (%v)", held, err)
	}
	if rest, err := d.CleanupPatiently(t.Context(), testJob); rest || err != nil {
		t.Errorf("rest %t (%v)", rest, err)
	}
	if left := slices.Sorted(slices.Values(objects())); !slices.Equal(left, before) {
		t.Errorf("there are %q, want %q", left, before)
	}
	if all, err := d.Sandboxes(t.Context(), now, time.Hour); err != nil || len(all) != 1 || all[0].State != looking.Held || all[0].Until == nil || !all[0].Until.Equal(until) {
		t.Errorf("status shows %+v (%v)", all, err)
	}
	if n, err := d.Find(t.Context(), testJob); err != nil || !n.Held {
		t.Errorf("shell finds %+v (%v)", n, err)
	}
	if v, err := d.Sweep(t.Context(), now, time.Hour, true); err != nil || len(v) != 1 || v[0].Fate != sandbox.Spared {
		t.Errorf("a sweep before its time: %+v (%v)", v, err)
	}
	if v, err := d.EndHeld(t.Context(), now, false); err != nil || len(v) != 1 || len(objects()) != 0 {
		t.Errorf("gc: %+v (%v), left %q", v, err, objects())
	}
}

// Another attempt at the same job begins anew.
func TestPrepareRemovesWhatWasHeldOfItsOwnJob(t *testing.T) {
	objects, d := failedJob(t)
	if _, err := d.Hold(t.Context(), testJob, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := d.Cleanup(t.Context(), testJob); err != nil || len(objects()) != 0 {
		t.Errorf("left are %q (%v)", objects(), err)
	}
}

func TestNothingOfWhatIsHeldRunsOn(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
	e.AddContainer("dind-aaaaaaaaaaaa-service-0", map[string]string{label.Sandbox: "aaaaaaaaaaaa", label.Role: "service"}, true)
	e.Script("POST /containers/{id}/pause", fakeengine.Refuse(500, "the kernel cannot pause")) // the first of them
	rests := func(t *testing.T) {
		t.Helper()
		paused := 0
		for _, name := range []string{"sidecar", "helper", "job", "service-0"} {
			c, err := d.eng.Container(t.Context(), "dind-aaaaaaaaaaaa-"+name)
			if err != nil || c.Running && !c.Paused {
				t.Errorf("the %s runs on (%v)", name, err)
			} else if c.Paused {
				paused++
			}
		}
		if paused != 2 {
			t.Errorf("%d are paused, want 2: one could not be", paused)
		}
	}
	for range 2 { // cleanup may come twice
		if held, err := d.Hold(t.Context(), testJob, time.Now().Add(time.Hour)); err != nil || !held {
			t.Fatalf("held %t (%v)", held, err)
		}
		rests(t)
	}
	e.ExecCode = 3
	t1 := looking.Terminal{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}
	if code, err := d.Shell(t.Context(), looking.Named{Sandbox: "aaaaaaaaaaaa", Job: testJob, Held: true}, looking.Part{Role: plan.RoleJob}, t1); err != nil || code != 3 {
		t.Errorf("exit code %d (%v)", code, err)
	}
	if e.Count("POST /containers/{id}/unpause") != 2 {
		t.Errorf("the shell let %d containers go on", e.Count("POST /containers/{id}/unpause"))
	}
	rests(t)
	if err := d.Cleanup(t.Context(), testJob); err != nil || len(e.Objects()) != 0 {
		t.Errorf("left are %q (%v)", e.Objects(), err)
	}
}

func TestSoManyAreHeldAndNoMore(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	now := time.Now().Truncate(time.Second)
	for i := range mostHeld + 2 {
		job := fmt.Sprintf("gitlab.example.com/%d", i)
		sandboxOf(e, job, fmt.Sprintf("%012x", i), "")
		if held, err := d.Hold(t.Context(), job, now.Add(time.Hour+time.Duration(i)*time.Second)); err != nil || !held {
			t.Fatalf("held %t (%v)", held, err)
		}
	}
	all, err := d.held(t.Context())
	if err != nil || len(all) != mostHeld || all[0].Sandbox != fmt.Sprintf("%012x", 2) {
		t.Errorf("%d are held, the first is %+v (%v)", len(all), all[0], err)
	}
}

func TestThereIsNothingToHoldOfAJobThatIsGone(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	if held, err := d.Hold(t.Context(), testJob, time.Now()); held || err != nil || len(e.Objects()) != 0 {
		t.Errorf("held %t (%v), there are %q", held, err, e.Objects())
	}
}

func TestWhatIsHeldEndsEarlyByRequestAndForRoom(t *testing.T) {
	objects, d := failedJob(t)
	now := time.Now()
	if _, err := d.Hold(t.Context(), testJob, now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	before := objects()
	if v, err := d.EndHeld(t.Context(), now, true); err != nil || len(v) != 1 || !slices.Equal(objects(), before) {
		t.Errorf("a dry run: %+v (%v), left %q", v, err, objects())
	}
	if v, err := d.EndHeld(t.Context(), now.Add(time.Hour), true); err != nil || len(v) != 0 {
		t.Errorf("past its time, where the sweep tells: %+v (%v)", v, err)
	}
	if dropped, err := d.dropHeld(t.Context()); !dropped || err != nil || len(objects()) != 0 {
		t.Errorf("dropped %t (%v), left %q", dropped, err, objects())
	}
	if dropped, err := d.dropHeld(t.Context()); dropped || err != nil {
		t.Errorf("dropped what was not there: %t (%v)", dropped, err)
	}
}

func TestAnUnclaimedSandboxHasNoJobToLookInto(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	e.AddNetwork(label.NetworkName("aaaaaaaaaaaa"), label.InSandbox("aaaaaaaaaaaa", plan.RoleNetwork))
	_, err := d.Shell(t.Context(), looking.Named{Sandbox: "aaaaaaaaaaaa"}, looking.Part{Role: plan.RoleJob}, looking.Terminal{})
	if err == nil || !strings.Contains(err.Error(), "has no job container") || fault.HintOf(err) == "" {
		t.Errorf("%v, hint %q", err, fault.HintOf(err))
	}
}

// A job's script is not disturbed: only a held container is started again.
func TestAJobContainerThatDoesNotRunIsStartedOnlyWhereItIsHeld(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
	e.Exit("dind-aaaaaaaaaaaa-job", 1)
	_, err := d.Shell(t.Context(), looking.Named{Sandbox: "aaaaaaaaaaaa", Job: testJob}, looking.Part{Role: plan.RoleJob}, looking.Terminal{})
	if err == nil || !strings.Contains(err.Error(), "does not run") || e.Count("POST /containers/{id}/start") != 0 {
		t.Errorf("%v after %q", err, e.Calls())
	}
}
