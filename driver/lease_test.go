package driver

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/fakeengine"
)

// layeredPlan is a plan whose layers are kept.
func layeredPlan(t *testing.T, sandbox string) *plan.Plan {
	t.Helper()
	p := testPlan(t)
	p.Sandbox, p.Sidecar.Layers, p.Claim.Job = sandbox, true, "job-"+sandbox
	p.Services = nil
	return p
}

// dataRootsOf are the kept data roots that there are, in order, and the state of
// a sandbox's sidecar.
func dataRootsOf(e *fakeengine.Engine) (roots []string) {
	for _, o := range e.Objects() {
		if name, ok := strings.CutPrefix(o, "volume "); ok && isKeptData(name) {
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
	return c.Labels[labelLayers]
}

func prepared(t *testing.T, d *Driver, p *plan.Plan) {
	t.Helper()
	if _, err := d.Prepare(t.Context(), p, quiet); err != nil {
		t.Fatal(err)
	}
}

func TestADataRootIsReusedAndOutlivesItsSandbox(t *testing.T) {
	first := layeredPlan(t, "aaaaaaaaaaaa")
	e, d := fakeHost(t, first)
	prepared(t, d, first)
	roots := dataRootsOf(e)
	if len(roots) != 1 || stateOf(t, e, leaseName(roots[0])) != "first" {
		t.Fatalf("there are %q", e.Objects())
	}
	if slices.Contains(e.Objects(), "volume dind-aaaaaaaaaaaa-data") {
		t.Error("the sandbox has a data root besides")
	}
	for _, id := range []string{"aaaaaaaaaaaa", "bbbbbbbbbbbb"} {
		if err := d.Cleanup(t.Context(), "job-"+id); err != nil {
			t.Fatal(err)
		}
		if left := e.Objects(); !slices.Equal(left, []string{"volume " + roots[0], "volume " + markName(roots[0], id)}) {
			t.Fatalf("left %q", left)
		}
		if id == "aaaaaaaaaaaa" {
			prepared(t, d, layeredPlan(t, "bbbbbbbbbbbb"))
			if got := stateOf(t, e, leaseName(roots[0])); got != "reused" {
				t.Errorf("the second job's layers are %q", got)
			}
		}
	}
}

func TestADataRootHasOneSidecarOnly(t *testing.T) {
	const jobs = 12
	e, d := fakeHost(t, layeredPlan(t, "aaaaaaaaaaaa"))
	if err := d.greet(t.Context()); err != nil {
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

func TestAnotherScopeOrDaemonHasAnotherDataRoot(t *testing.T) {
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
		states = append(states, stateOf(t, e, leaseName(r)))
	}
	if slices.Sort(states); !slices.Equal(states, []string{"first", "first", "other"}) {
		t.Errorf("states %q", states)
	}
}

func TestADamagedDataRootIsThrownAwayOnce(t *testing.T) {
	for name, c := range map[string]struct {
		// broken tells of the start number n, from 0 on, whether it fails.
		broken func(n int) bool
		says   string
		fails  bool
	}{
		"the kept one alone":  {broken: func(n int) bool { return n == 0 }, says: "exited with code 3"},
		"the new one as well": {broken: func(int) bool { return true }, says: "exited with code 3", fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			first := layeredPlan(t, "aaaaaaaaaaaa")
			e, d := fakeHost(t, first)
			prepared(t, d, first)
			if err := d.Cleanup(t.Context(), first.Claim.Job); err != nil {
				t.Fatal(err)
			}
			starts := 0
			e.OnStart = func(ct *fakeengine.Container) {
				if strings.HasSuffix(ct.Name, "-sidecar") {
					if c.broken(starts) {
						ct.Exit(3)
						e.ExecCode = 1
					} else {
						e.ExecCode = 0
					}
					starts++
				}
			}
			var said []string
			var mu sync.Mutex
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			next := layeredPlan(t, "bbbbbbbbbbbb")
			say := func(s string) {
				mu.Lock()
				defer mu.Unlock()
				said = append(said, s)
			}
			_, err := d.Prepare(ctx, next, quiet)
			if err == nil {
				_, err = d.AwaitDaemon(ctx, next.Claim.Job, time.Second, say)
			}
			if (err != nil) != c.fails || err != nil && fault.HintOf(err) == "" {
				t.Fatalf("error %v, hint %q", err, fault.HintOf(err))
			}
			thrown := slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, "thrown away") && strings.Contains(s, c.says) })
			if !thrown || starts != 2 {
				t.Errorf("%d starts, said %q", starts, said)
			}
			roots := 1
			if c.fails { // or the next job would meet it again
				roots = 0
			} else if !slices.Contains(e.Objects(), "volume dind-bbbbbbbbbbbb-mark") {
				t.Errorf("nothing says that the layers were damaged: %q", e.Objects())
			}
			if got := dataRootsOf(e); len(got) != roots {
				t.Errorf("there are %q", e.Objects())
			}
		})
	}
}

func TestANewDataRootThatFailsIsNotTriedAgain(t *testing.T) {
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
		_, err = d.AwaitDaemon(t.Context(), p.Claim.Job, time.Second, quiet)
	}
	if err == nil || starts != 1 {
		t.Errorf("%d starts, error %v", starts, err)
	}
}

// The time of the last use is a comfort: no job fails for it.
func TestNoJobFailsForAMark(t *testing.T) {
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
