package driver

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/test/fakeengine"
)

// sharing is a host where files share blocks. The function returns what our programs have
// done there.
func sharing(t *testing.T, p *plan.Plan) (*fakeengine.Engine, *Driver, func() []string) {
	t.Helper()
	e, d := hereHost(t, p) // on another host the disk could not be looked at
	d.Layers.SharesBlocks = func(string) bool { return true }
	var mu sync.Mutex
	var done []string
	e.OnProgram = func(c *fakeengine.Container) int {
		mu.Lock()
		defer mu.Unlock()
		done = append(done, c.Name+" "+c.Labels[label.Of])
		return 0
	}
	return e, d, func() []string {
		mu.Lock()
		defer mu.Unlock()
		all := done
		done = nil
		return all
	}
}

// after runs a job to its end, and then gc.
func after(t *testing.T, d *Driver, p *plan.Plan) {
	t.Helper()
	prepared(t, d, p)
	if err := d.Cleanup(t.Context(), p.Claim.Job); err != nil {
		t.Fatal(err)
	}
	if _, err := d.ClearLayers(t.Context(), false); err != nil {
		t.Fatal(err)
	}
}

func TestJobsAtOnceBeginWithACopy(t *testing.T) {
	t.Parallel()
	first := layeredPlan(t, "aaaaaaaaaaaa")
	e, d, done := sharing(t, first)
	after(t, d, first)
	root := dataRootsOf(e)[0]
	base := label.BaseName(root)
	if got, want := done(), []string{label.LeaseName(root) + " " + root, label.LeaseName(base) + " " + base}; !slices.Equal(got, want) {
		t.Fatalf("behind the job came %q, want %q", got, want)
	}
	for i, want := range []string{"reused", "copied", "copied"} {
		p := layeredPlan(t, strings.Repeat(string('b'+rune(i)), 12))
		ready, err := d.Prepare(t.Context(), p, quiet)
		if err != nil {
			t.Fatal(err)
		}
		slot := strings.TrimSuffix(root, "0") + strconv.Itoa(i)
		if got := stateOf(t, e, label.LeaseName(slot)); got != want || !ready.Layers {
			t.Errorf("job %d has layers: %s, %t", i, got, ready.Layers)
		}
		if got := done(); want == "copied" && !slices.Equal(got, []string{label.LeaseName(base) + " " + slot}) {
			t.Errorf("for job %d came %q", i, got)
		}
	}
	for _, c := range e.Containers() {
		if c.Labels[label.Role] == string(plan.RoleSidecar) && c.Labels[label.Data] == base {
			t.Error("a daemon has the base")
		}
	}
}

// Where files share no blocks, nothing is copied, and data roots are only cleared.
func TestNothingIsCopiedWhereFilesShareNoBlocks(t *testing.T) {
	t.Parallel()
	first := layeredPlan(t, "aaaaaaaaaaaa")
	e, d, done := sharing(t, first)
	d.Layers.SharesBlocks = func(string) bool { return false }
	after(t, d, first)
	if roots := dataRootsOf(e); len(roots) != 1 || len(done()) != 1 {
		t.Errorf("there are %q", roots)
	}
}

// A base serves for an hour. A base without its mark as clean is made anew.
func TestABaseIsNotMadeBehindEachJob(t *testing.T) {
	t.Parallel()
	first := layeredPlan(t, "aaaaaaaaaaaa")
	e, d, done := sharing(t, first)
	after(t, d, first)
	base := label.BaseName(dataRootsOf(e)[0])
	for i, unwell := range []bool{false, true} {
		done()
		if unwell {
			e.Remove(label.StateName(base, label.DataClean))
		}
		after(t, d, layeredPlan(t, strings.Repeat(string('b'+rune(i)), 12)))
		if renewed := slices.Contains(done(), label.LeaseName(base)+" "+base); renewed != unwell {
			t.Errorf("unwell %t, made anew %t", unwell, renewed)
		}
	}
}

// If a copy fails, the job gets an empty data root under the same lease.
func TestAJobWhoseCopyFailsBeginsEmpty(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]int{"no blocks are shared": plan.CommandNotShared, "it takes too long": plan.CommandFault, "it was killed": 137} {
		t.Run(name, func(t *testing.T) {
			first, second, third := layeredPlan(t, "aaaaaaaaaaaa"), layeredPlan(t, "bbbbbbbbbbbb"), layeredPlan(t, "cccccccccccc")
			e, d, done := sharing(t, first)
			after(t, d, first)
			root := dataRootsOf(e)[0]
			prepared(t, d, second)
			done()
			copies := 0
			e.OnProgram = func(*fakeengine.Container) int {
				copies++
				return code
			}
			ready, err := d.Prepare(t.Context(), third, quiet)
			slot := strings.TrimSuffix(root, "0") + "1"
			if got := stateOf(t, e, label.LeaseName(slot)); err != nil || got != "more" || ready.Layers || copies != 1 {
				t.Errorf("state %s, layers %t, %d copies (%v)", got, ready.Layers, copies, err)
			}
		})
	}
}

// A base of another scope, a half-made base, or a base marked as damaged is never copied.
func TestNoOthersBaseIsCopied(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(e *fakeengine.Engine, base string, claim plan.Claim){
		"of another scope": func(e *fakeengine.Engine, base string, claim plan.Claim) {
			claim.Scope = "another"
			e.AddVolume(base, label.ForData(claim, "eeeeeeeeeeee"))
			e.AddVolume(label.StateName(base, label.DataClean), label.ForState("another", base, label.DataClean))
		},
		"half made": func(e *fakeengine.Engine, base string, claim plan.Claim) {
			e.AddVolume(base, label.ForData(claim, "eeeeeeeeeeee"))
		},
		"one that a daemon did not come up on": func(e *fakeengine.Engine, base string, claim plan.Claim) {
			e.AddVolume(base, label.ForData(claim, "eeeeeeeeeeee"))
			for _, s := range []label.DataState{label.DataClean, label.DataDamaged} {
				e.AddVolume(label.StateName(base, s), label.ForState(claim.Scope, base, s))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			first := layeredPlan(t, "aaaaaaaaaaaa")
			e, d, done := sharing(t, first)
			prepared(t, d, first)
			root := dataRootsOf(e)[0]
			spoil(e, label.BaseName(root), first.Claim)
			prepared(t, d, layeredPlan(t, "bbbbbbbbbbbb"))
			if got := done(); len(got) != 0 {
				t.Errorf("there came %q", got)
			}
		})
	}
}

// The first job of a branch gets a copy of the protected refs' layers, even while jobs use
// the originals. Nothing is copied back, and each scope keeps its own layers.
func TestLayersOfProtectedRefsAreCopiedForOthersAlone(t *testing.T) {
	t.Parallel()
	protected := layeredPlan(t, "aaaaaaaaaaaa")
	protected.Claim.Scope = "project/protected"
	e, d, done := sharing(t, protected)
	after(t, d, protected)
	base := label.BaseName(dataRootsOf(e)[0])
	again := layeredPlan(t, "bbbbbbbbbbbb")
	again.Claim.Scope = protected.Claim.Scope
	prepared(t, d, again)
	done()
	for i, c := range []struct{ inherits, want string }{{"", "first"}, {protected.Claim.Scope, "copied"}} {
		p := layeredPlan(t, strings.Repeat(string('c'+rune(i)), 12))
		p.Claim.Scope, p.Claim.Inherits = "project/branch"+strconv.Itoa(i), c.inherits
		before := dataRootsOf(e)
		prepared(t, d, p)
		made := slices.DeleteFunc(dataRootsOf(e), func(r string) bool { return slices.Contains(before, r) })
		if len(made) != 1 || stateOf(t, e, label.LeaseName(made[0])) != c.want {
			t.Fatalf("there are %q, want %s", e.Objects(), c.want)
		}
		if got := done(); c.want == "copied" && !slices.Equal(got, []string{label.LeaseName(base) + " " + made[0]}) {
			t.Errorf("there came %q", got)
		}
	}
}

// If a daemon does not come up on a copy, the base of its own scope is removed. A base of
// protected refs stays.
func TestABaseOfWhichACopyIsDamagedServesNobody(t *testing.T) {
	t.Parallel()
	for _, own := range []bool{true, false} {
		first := layeredPlan(t, "aaaaaaaaaaaa")
		next := layeredPlan(t, "bbbbbbbbbbbb")
		if !own {
			next.Claim.Scope, next.Claim.Inherits = "another", first.Claim.Scope
		}
		e, d, _ := sharing(t, first)
		after(t, d, first)
		base := label.BaseName(dataRootsOf(e)[0])
		prepared(t, d, layeredPlan(t, "cccccccccccc"))
		broken := true
		e.OnStart = func(c *fakeengine.Container) {
			if c.Labels[label.Role] == string(plan.RoleSidecar) {
				e.ExecCode = 0
				if broken {
					c.Exit(3)
					e.ExecCode = 1
				}
				broken = false
			}
		}
		_, err := d.Prepare(t.Context(), next, quiet)
		if err == nil {
			_, err = d.AwaitDaemon(t.Context(), next.Claim.Job, time.Second, plan.Given{}, nil, quiet)
		}
		damaged := slices.Contains(e.Objects(), "volume "+label.StateName(base, label.DataDamaged))
		if err != nil || damaged != own {
			t.Errorf("own base %t: damaged %t (%v)", own, damaged, err)
		}
	}
}
