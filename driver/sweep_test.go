package driver

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/owner"
	"gitlab-dind-executor/driver/removal"
	"gitlab-dind-executor/driver/sandbox"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/fakeengine"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func TestASweepLeavesWhatIsNotASandbox(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	of := func(id, role string) map[string]string { return map[string]string{label.Sandbox: id, label.Role: role} }
	e.AddVolume("a cache", of("aaaaaaaaaaaa", "cache"))
	e.AddContainer("a mirror", of("bbbbbbbbbbbb", "mirror"), true)
	e.AddNetwork("its network", of("cccccccccccc", "mirror"))
	e.AddVolume("what has no sandbox", of("", "builds"))
	e.AddVolume("somebody's", map[string]string{"com.example.sandbox": "dddddddddddd"})
	e.AddContainer("somebody else's", nil, false)
	verdicts, err := d.Sweep(t.Context(), noon.Add(1000*time.Hour), time.Hour, false)
	if err != nil || len(verdicts) != 0 || len(e.Objects()) != 6 {
		t.Errorf("verdicts %+v, left %q (%v)", verdicts, e.Objects(), err)
	}
}

// Two sweeps find the same sandbox; both succeed and nothing is left.
func TestTwoSweepsAtOnce(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	me, err := owner.This()
	if err != nil {
		t.Fatal(err)
	}
	me.Start++
	for _, id := range []string{"aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"} {
		sandboxOf(e, testJob, id, me.String())
	}
	var g errgroup.Group
	for range 4 {
		g.Go(func() error {
			_, err := d.Sweep(t.Context(), noon, time.Hour, false)
			return err
		})
	}
	if err := g.Wait(); err != nil || len(e.Objects()) != 0 {
		t.Errorf("left %q (%v)", e.Objects(), err)
	}
}

// A sweep leaves a sandbox in the making alone, at every step.
func TestASweepLeavesASandboxThatIsBeingMade(t *testing.T) {
	t.Parallel()
	p := testPlan(t)
	me, err := owner.This()
	if err != nil {
		t.Fatal(err)
	}
	p.Claim.Owner = me.String()
	e, d := fakeHost(t, p)
	sweep := func(*fakeengine.Engine) {
		// This time is after every deadline except the overdue one.
		verdicts, err := d.Sweep(context.WithoutCancel(t.Context()), p.Claim.Deadline.Add(time.Hour), 0, false)
		for _, v := range verdicts {
			if v.Fate != sandbox.Spared {
				t.Errorf("%+v", v)
			}
		}
		if err != nil {
			t.Error(err)
		}
	}
	for _, call := range []string{"POST /networks/create", "POST /containers/create", "POST /containers/{id}/start"} {
		e.Always(call, fakeengine.Then(sweep))
	}
	if _, err := d.Prepare(t.Context(), p, quiet); err != nil {
		t.Fatal(err)
	}
}

func TestSweepRemovesWhatNoLivingJobOwns(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	me, err := owner.This()
	if err != nil {
		t.Fatal(err)
	}
	gone, elsewhere := me, me
	gone.Start++
	elsewhere.Host = "another-runner"
	sandboxOf(e, testJob, "aaaaaaaaaaaa", me.String())
	sandboxOf(e, testJob, "bbbbbbbbbbbb", gone.String())
	sandboxOf(e, testJob, "cccccccccccc", elsewhere.String())
	e.AddVolume("dind-dddddddddddd-data", map[string]string{label.Sandbox: "dddddddddddd", label.Role: "data"})
	e.AddContainer("somebody-elses", nil, true)
	all := e.Objects()

	for _, c := range []struct {
		what string
		now  time.Time
		dry  bool
		want string
	}{
		{"only looking", noon.Add(-time.Hour), true, "bbbbbbbbbbbb 6 its owner is dead, dddddddddddd 1 its network is gone"},
		{"only looking past the deadline", noon.Add(time.Hour), true, "bbbbbbbbbbbb 6 its owner is dead, " +
			"cccccccccccc 6 its deadline passed at 2026-07-01T12:00:00Z and its owner cannot be proved alive, dddddddddddd 1 its network is gone"},
		{"sweeping", noon.Add(-time.Hour), false, "bbbbbbbbbbbb 6 its owner is dead, dddddddddddd 1 its network is gone"},
		{"sweeping again", noon.Add(-time.Hour), false, ""},
	} {
		swept, err := d.Sweep(t.Context(), c.now, time.Hour, c.dry)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range swept {
			if s.Fate == sandbox.Swept {
				got = append(got, fmt.Sprintf("%s %d %s", s.Sandbox, s.Objects, s.Reason))
			}
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s: got %q, want %q", c.what, got, c.want)
		}
		if c.dry && !slices.Equal(e.Objects(), all) {
			t.Errorf("%s removed something: %q", c.what, e.Objects())
		}
	}
	left := slices.DeleteFunc(slices.Clone(all), func(o string) bool { return strings.Contains(o, "bbbb") || strings.Contains(o, "dddd") })
	if got := e.Objects(); !slices.Equal(got, left) {
		t.Errorf("left are %q, want %q", got, left)
	}
}

// A hook may finish its sandbox and end between a sweep's look at the containers and the
// verdict on the network. The hook is the network's owner.
func TestSweepSparesASandboxThatWasFinishedMeanwhile(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	me, err := owner.This()
	if err != nil {
		t.Fatal(err)
	}
	hook := me
	hook.Start++ // the hook has ended by the time of the verdict
	of := func(role, owner string) map[string]string {
		return map[string]string{label.Sandbox: "aaaaaaaaaaaa", label.Role: role, label.Job: testJob, label.Owner: owner, label.Deadline: noon.Format(time.RFC3339)}
	}
	e.AddNetwork("dind-aaaaaaaaaaaa", of("network", hook.String()))
	e.Script("GET /networks", fakeengine.First(func(e *fakeengine.Engine) {
		e.AddContainer("dind-aaaaaaaaaaaa-job", of("job", me.String()), true)
	}))
	swept, err := d.Sweep(t.Context(), noon, time.Hour, false)
	if err != nil || len(swept) != 1 || swept[0].Fate != sandbox.Spared || len(e.Objects()) != 2 {
		t.Errorf("swept %+v, left %q (%v)", swept, e.Objects(), err)
	}
}

func TestSweepGoesOnAfterAFault(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	d.bounds.RemoveFirstGap = time.Millisecond
	orphan := func(id string) {
		e.AddVolume("dind-"+id+"-data", map[string]string{label.Sandbox: id, label.Role: "data"})
	}
	orphan("aaaaaaaaaaaa")
	orphan("bbbbbbbbbbbb")
	busy := fakeengine.Refuse(500, "device or resource busy")
	e.Script("DELETE /volumes/{name}", slices.Repeat([]fakeengine.Answer{busy}, removal.StuckRounds)...)
	swept, err := d.Sweep(t.Context(), noon, time.Hour, false)
	if err == nil || !strings.Contains(err.Error(), "removing sandbox aaaaaaaaaaaa: removing volume dind-aaaaaaaaaaaa-data") || !strings.Contains(fault.HintOf(err), "gc") {
		t.Errorf("error %v, hint %q", err, fault.HintOf(err))
	}
	if left := e.Objects(); len(swept) != 2 || !slices.Equal(left, []string{"volume dind-aaaaaaaaaaaa-data", "volume dind-aaaaaaaaaaaa-data-stuck"}) {
		t.Fatalf("swept %+v, left %q", swept, left)
	}
	if !swept[0].Failed || swept[0].Leaked() || swept[1].Failed || !swept[1].Leaked() {
		t.Errorf("what is left counts as removed: %+v", swept)
	}
}

// Unseen objects are not removed, and the operator gets an error.
func TestASweepTellsWhatItCouldNotSee(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"GET /containers/json", "GET /volumes", "GET /networks"} {
		for name, answer := range map[string]fakeengine.Answer{
			"refused": fakeengine.Refuse(500, "bad"), "nonsense": fakeengine.Nonsense(),
			"cut off": fakeengine.Drop(), "cut": fakeengine.Cut(),
		} {
			for _, look := range []string{"first", "second"} {
				t.Run(call+" "+name+" at the "+look+" look", func(t *testing.T) {
					e, d := fakeHost(t, nil)
					e.AddVolume("dind-aaaaaaaaaaaa-data", map[string]string{label.Sandbox: "aaaaaaaaaaaa", label.Role: "data"})
					if look == "first" {
						e.Always(call, answer)
					} else {
						e.Script(call, fakeengine.First(func(e *fakeengine.Engine) { e.Always(call, answer) }))
					}
					_, err := d.Sweep(t.Context(), noon, time.Hour, false)
					if err == nil || len(e.Objects()) != 1 {
						t.Errorf("left %q (%v)", e.Objects(), err)
					}
				})
			}
		}
	}
}

// A single failed removal keeps a sandbox, and the next sweep removes it.
func TestWhatOneSweepCannotRemoveTheNextDoes(t *testing.T) {
	t.Parallel()
	me, err := owner.This()
	if err != nil {
		t.Fatal(err)
	}
	me.Start++ // dead
	for _, call := range []string{"DELETE /containers/{id}", "DELETE /volumes/{name}", "DELETE /networks/{id}"} {
		for name, answer := range map[string]fakeengine.Answer{
			"refused": fakeengine.Refuse(500, "bad"), "cut": fakeengine.Cut(), "in use": fakeengine.Refuse(403, "in use"),
		} {
			t.Run(call+" "+name, func(t *testing.T) {
				e, d := fakeHost(t, nil)
				d.bounds.RemoveFirstGap = time.Millisecond
				sandboxOf(e, testJob, "aaaaaaaaaaaa", me.String())
				e.Always(call, answer)
				if _, err := d.Sweep(t.Context(), noon, time.Hour, false); err == nil {
					t.Error("no error")
				}
				e.Always(call, nil)
				if _, err := d.Sweep(t.Context(), noon, time.Hour, false); err != nil || len(e.Objects()) != 0 {
					t.Errorf("left %q (%v)", e.Objects(), err)
				}
			})
		}
	}
}
