package driver

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/fakeengine"
)

// layeredPlan returns a plan with cached layers.
func layeredPlan(t *testing.T, sandbox string) *plan.Plan {
	t.Helper()
	p := testPlan(t)
	p.Sandbox, p.Sidecar.Layers, p.Claim.Job = sandbox, true, "job-"+sandbox
	p.Services = nil
	return p
}

// dataRootsOf returns the cached data roots on an engine, sorted.
func dataRootsOf(e *fakeengine.Engine) (roots []string) {
	for _, o := range e.Objects() {
		if name, ok := strings.CutPrefix(o, "volume "); ok && label.IsCachedData(name) {
			roots = append(roots, name)
		}
	}
	return roots
}

func stateOf(t *testing.T, e *fakeengine.Engine, name string) string {
	t.Helper()
	c := e.Container(name)
	if c == nil {
		t.Fatalf("there is no %s: %q", name, e.Objects())
	}
	return c.Labels[label.Layers]
}

func prepared(t *testing.T, d *Driver, p *plan.Plan) {
	t.Helper()
	if _, err := d.Prepare(t.Context(), p, quiet); err != nil {
		t.Fatal(err)
	}
}

func TestADataRootIsReusedAndOutlivesItsSandbox(t *testing.T) {
	t.Parallel()
	first := layeredPlan(t, "aaaaaaaaaaaa")
	e, d := fakeHost(t, first)
	prepared(t, d, first)
	roots := dataRootsOf(e)
	if len(roots) != 1 || stateOf(t, e, label.LeaseName(roots[0])) != "first" {
		t.Fatalf("there are %q", e.Objects())
	}
	if slices.Contains(e.Objects(), "volume dind-aaaaaaaaaaaa-data") {
		t.Error("the sandbox has a data root besides")
	}
	for _, id := range []string{"aaaaaaaaaaaa", "bbbbbbbbbbbb"} {
		if err := d.Cleanup(t.Context(), "job-"+id); err != nil {
			t.Fatal(err)
		}
		if left := e.Objects(); !slices.Equal(left, []string{"volume " + roots[0], "volume " + label.UsedName(roots[0], id)}) {
			t.Fatalf("left %q", left)
		}
		if _, err := d.ClearLayers(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		if id == "aaaaaaaaaaaa" {
			prepared(t, d, layeredPlan(t, "bbbbbbbbbbbb"))
			if got := stateOf(t, e, label.LeaseName(roots[0])); got != "reused" {
				t.Errorf("the second job's layers are %q", got)
			}
		}
	}
}

func TestADataRootHasOneSidecarOnly(t *testing.T) {
	t.Parallel()
	const jobs = 12
	e, d := fakeHost(t, layeredPlan(t, "aaaaaaaaaaaa"))
	if err := d.eng.Greet(t.Context()); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range jobs {
		p := layeredPlan(t, strings.Repeat(string('a'+rune(i)), 12))
		all.Add(1)
		go func() {
			defer all.Done()
			if _, err := d.Prepare(t.Context(), p, quiet); err != nil {
				t.Error(err)
			}
		}()
	}
	all.Wait()
	users, states := map[string]int{}, map[string]int{}
	for _, o := range e.Objects() {
		name, ok := strings.CutPrefix(o, "container ")
		if !ok || !strings.HasSuffix(name, "-sidecar") {
			continue
		}
		states[stateOf(t, e, name)]++
		users[strings.TrimSuffix(name, "-sidecar")]++
	}
	if len(dataRootsOf(e)) != 8 || states["busy"] != jobs-8 || len(users) != jobs {
		t.Errorf("data roots %q, states %v", dataRootsOf(e), states)
	}
}

// A job right behind another job gets its layers, even if the engine is slow to remove the
// other's sidecar.
func TestALeaseOfASandboxThatIsGoneIsFree(t *testing.T) {
	t.Parallel()
	first := layeredPlan(t, "aaaaaaaaaaaa")
	e, d := fakeHost(t, first)
	prepared(t, d, first)
	lease := label.LeaseName(dataRootsOf(e)[0])
	if err := d.eng.Kill(t.Context(), lease, "KILL"); err != nil {
		t.Fatal(err)
	}
	prepared(t, d, layeredPlan(t, "bbbbbbbbbbbb"))
	if roots := dataRootsOf(e); len(roots) != 2 || stateOf(t, e, label.LeaseName(roots[1])) == "reused" {
		t.Errorf("beside a sandbox whose daemon has ended there are %q", e.Objects())
	}
	e.Remove(label.NetworkName("aaaaaaaaaaaa"))
	prepared(t, d, layeredPlan(t, "cccccccccccc"))
	if got := stateOf(t, e, lease); got != "reused" {
		t.Errorf("after a sandbox that is gone the state is %s", got)
	}
}

// A process that clears the data root may take the lease between the last job's sidecar and
// the next one's.
func TestALeaseIsWaitedForAgain(t *testing.T) {
	t.Parallel()
	first := layeredPlan(t, "aaaaaaaaaaaa")
	e, d := fakeHost(t, first)
	prepared(t, d, first)
	lease := label.LeaseName(dataRootsOf(e)[0])
	if err := d.eng.Kill(t.Context(), lease, "KILL"); err != nil {
		t.Fatal(err)
	}
	e.Remove(label.NetworkName("aaaaaaaaaaaa"))
	e.Script("DELETE /containers/{id}", fakeengine.Then(func(e *fakeengine.Engine) {
		e.AddContainer(lease, label.Common(plan.RoleProgram), true)
	}))
	e.Script("POST /containers/{id}/wait", fakeengine.First(func(e *fakeengine.Engine) { e.Remove(lease) }))
	prepared(t, d, layeredPlan(t, "bbbbbbbbbbbb"))
	if got := stateOf(t, e, lease); got != "reused" {
		t.Errorf("the state is %s", got)
	}
}

func TestAnotherScopeOrDaemonHasAnotherDataRoot(t *testing.T) {
	t.Parallel()
	first := layeredPlan(t, "aaaaaaaaaaaa")
	e, d := fakeHost(t, first)
	prepared(t, d, first)
	other := layeredPlan(t, "bbbbbbbbbbbb")
	other.Sidecar.Command = []string{"--debug"}
	prepared(t, d, other)
	scope := layeredPlan(t, "cccccccccccc")
	scope.Claim.Scope = "another"
	prepared(t, d, scope)
	var states []string
	for _, r := range dataRootsOf(e) {
		states = append(states, stateOf(t, e, label.LeaseName(r)))
	}
	if slices.Sort(states); !slices.Equal(states, []string{"first", "first", "other"}) {
		t.Errorf("states %q", states)
	}
}

// After a failed boot on the layers of earlier jobs, these layers and this sidecar are not
// used again. Hostile data in the layers may have changed the sidecar.
func TestADamagedDataRootGetsANewSidecar(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		// broken tells whether start number n, from 0 on, fails.
		broken func(n int) bool
		says   string
		fails  bool
	}{
		"the cached one alone": {broken: func(n int) bool { return n == 0 }, says: "exited with code 3"},
		"the new one as well":  {broken: func(int) bool { return true }, says: "exited with code 3", fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			first := layeredPlan(t, "aaaaaaaaaaaa")
			e, d := fakeHost(t, first)
			prepared(t, d, first)
			if err := d.Cleanup(t.Context(), first.Claim.Job); err != nil {
				t.Fatal(err)
			}
			var started []string
			e.OnStart = func(ct *fakeengine.Container) {
				if ct.Labels[label.Role] == string(plan.RoleSidecar) {
					e.ExecCode = 0
					if c.broken(len(started)) {
						ct.Exit(3)
						e.ExecCode = 1
					}
					started = append(started, ct.Name)
				}
			}
			var said []string
			var mu sync.Mutex
			ctx := t.Context()
			next := layeredPlan(t, "bbbbbbbbbbbb")
			say := func(s string) {
				mu.Lock()
				defer mu.Unlock()
				said = append(said, s)
			}
			_, err := d.Prepare(ctx, next, say)
			if err == nil {
				_, err = d.AwaitDaemon(ctx, next.Claim.Job, time.Second, plan.Given{}, nil, say)
			}
			if (err != nil) != c.fails || err != nil && fault.HintOf(err) == "" {
				t.Fatalf("error %v, hint %q, said %q", err, fault.HintOf(err), said)
			}
			thrown := slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, "thrown away") && strings.Contains(s, c.says) })
			root := dataRootsOf(e)
			if len(root) != 1 || !thrown || !slices.Equal(started, []string{label.LeaseName(root[0]), "dind-bbbbbbbbbbbb-sidecar"}) {
				t.Fatalf("started %q, said %q, there are %q", started, said, e.Objects())
			}
			if got := stateOf(t, e, "dind-bbbbbbbbbbbb-sidecar"); got != "damaged" {
				t.Errorf("the new sidecar's layers are %q", got)
			}
			if !slices.Contains(e.Objects(), "volume "+label.StateName(root[0], label.DataDamaged)) || e.Container(label.LeaseName(root[0])) != nil {
				t.Errorf("nothing says that the layers are damaged: %q", e.Objects())
			}
			third := layeredPlan(t, "cccccccccccc")
			if _, err := d.Prepare(ctx, third, say); err != nil {
				t.Fatal(err)
			}
			if e.Container(label.LeaseName(root[0])) != nil {
				t.Errorf("a later job has the damaged layers: %q", e.Objects())
			}
			for _, job := range []string{next.Claim.Job, third.Claim.Job} {
				if err := d.Cleanup(ctx, job); err != nil {
					t.Fatal(err)
				}
			}
			removed, err := d.ClearLayers(ctx, false)
			if err != nil || !slices.Equal(removed, root) || slices.Contains(dataRootsOf(e), root[0]) {
				t.Errorf("removed %q (%v), there are %q", removed, err, e.Objects())
			}
		})
	}
}

// A data root is not reused as a job leaves it. This program clears it behind the job, or
// if that did not happen, before the next job.
func TestADataRootIsClearedBeforeTheNextJobHasIt(t *testing.T) {
	t.Parallel()
	for name, behind := range map[string]bool{"behind the job": true, "for the next job": false} {
		t.Run(name, func(t *testing.T) {
			first := layeredPlan(t, "aaaaaaaaaaaa")
			e, d := fakeHost(t, first)
			var cleared []string
			e.OnProgram = func(c *fakeengine.Container) int {
				cleared = append(cleared, c.Name)
				return 0
			}
			prepared(t, d, first)
			if err := d.Cleanup(t.Context(), first.Claim.Job); err != nil {
				t.Fatal(err)
			}
			root := dataRootsOf(e)[0]
			want := label.ClearingName(root)
			if behind {
				want = label.LeaseName(root)
				if removed, err := d.ClearLayers(t.Context(), false); err != nil || len(removed) != 0 {
					t.Fatalf("removed %q (%v)", removed, err)
				}
				if !slices.Contains(e.Objects(), "volume "+label.StateName(root, label.DataClean)) {
					t.Fatalf("nothing says that it is clean: %q", e.Objects())
				}
			}
			prepared(t, d, layeredPlan(t, "bbbbbbbbbbbb"))
			if !slices.Equal(cleared, []string{want}) || stateOf(t, e, label.LeaseName(root)) != "reused" {
				t.Errorf("cleared %q, there are %q", cleared, e.Objects())
			}
			if slices.Contains(e.Objects(), "volume "+label.StateName(root, label.DataClean)) {
				t.Errorf("it counts as clean while a job has it: %q", e.Objects())
			}
			prepared(t, d, layeredPlan(t, "cccccccccccc"))
			if _, err := d.ClearLayers(t.Context(), false); err != nil || len(cleared) != 1 {
				t.Errorf("what jobs have was cleared: %q (%v)", cleared, err)
			}
		})
	}
}

// A data root that cannot be cleared in time serves nobody, and the job gets another.
// Behind the job gc has more time, and removes damaged data roots.
func TestADataRootThatCannotBeClearedIsLeftAside(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code    int
		damaged bool
	}{"damaged": {plan.CommandThrowAway, true}, "a fault": {plan.CommandFault, false}} {
		t.Run(name, func(t *testing.T) {
			first := layeredPlan(t, "aaaaaaaaaaaa")
			e, d := fakeHost(t, first)
			e.OnProgram = func(*fakeengine.Container) int { return c.code }
			prepared(t, d, first)
			if err := d.Cleanup(t.Context(), first.Claim.Job); err != nil {
				t.Fatal(err)
			}
			root := dataRootsOf(e)[0]
			var said string
			if _, err := d.Prepare(t.Context(), layeredPlan(t, "bbbbbbbbbbbb"), func(s string) { said += s + "\n" }); err != nil {
				t.Fatal(err)
			}
			if roots := dataRootsOf(e); len(roots) != 2 || stateOf(t, e, label.LeaseName(roots[1])) != "more" || !strings.Contains(said, "left aside") {
				t.Errorf("there are %q, said %q", e.Objects(), said)
			}
			removed, err := d.ClearLayers(t.Context(), false)
			if slices.Contains(removed, root) != c.damaged || (err == nil) != c.damaged {
				t.Errorf("removed %q (%v), there are %q", removed, err, e.Objects())
			}
		})
	}
}

// A volume of another scope under the name of a data root serves no job.
func TestADataRootOfAnotherScopeIsNeverUsed(t *testing.T) {
	t.Parallel()
	p := layeredPlan(t, "aaaaaaaaaaaa")
	e, d := fakeHost(t, p)
	prepared(t, d, p)
	name := dataRootsOf(e)[0]
	if err := d.Cleanup(t.Context(), p.Claim.Job); err != nil {
		t.Fatal(err)
	}
	e.Remove(name)
	other := p.Claim
	other.Scope = "the attacker's"
	e.AddVolume(name, label.ForData(other, "eeeeeeeeeeee"))
	e.AddVolume(label.StateName(name, label.DataClean), label.ForState(other.Scope, name, label.DataClean))
	var said string
	if _, err := d.Prepare(t.Context(), layeredPlan(t, "bbbbbbbbbbbb"), func(s string) { said += s + "\n" }); err != nil {
		t.Fatal(err)
	}
	if e.Container(label.LeaseName(name)) != nil || !strings.Contains(said, "somebody else's") {
		t.Errorf("said %q, there are %q", said, e.Objects())
	}
}

func TestANewDataRootThatFailsIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	p := layeredPlan(t, "aaaaaaaaaaaa")
	e, d := fakeHost(t, p)
	starts := 0
	e.OnStart = func(c *fakeengine.Container) {
		if strings.HasSuffix(c.Name, "-sidecar") {
			c.Exit(1)
			starts++
		}
	}
	e.ExecCode = 1
	_, err := d.Prepare(t.Context(), p, quiet)
	if err == nil {
		_, err = d.AwaitDaemon(t.Context(), p.Claim.Job, time.Second, plan.Given{}, nil, quiet)
	}
	if err == nil || starts != 1 {
		t.Errorf("%d starts, error %v", starts, err)
	}
}

// A mark with the time of the last use is a convenience, and no job fails for it.
func TestNoJobFailsForAMark(t *testing.T) {
	t.Parallel()
	p := layeredPlan(t, "aaaaaaaaaaaa")
	e, d := fakeHost(t, p)
	e.Always("POST /volumes/create", fakeengine.Refuse(500, "bad"))
	prepared(t, d, p)
	e.Always("GET /volumes", fakeengine.Refuse(500, "bad"))
	_, err := d.Prepare(t.Context(), layeredPlan(t, "bbbbbbbbbbbb"), quiet)
	if err == nil || !strings.Contains(err.Error(), "looking for what earlier jobs left") {
		t.Errorf("error %v", err)
	}
}
