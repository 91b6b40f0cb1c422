package driver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/group"
	"gitlab-dind-executor/test/fakeengine"
)

// barePlan is testPlan for a host with waiting bare sandboxes.
func barePlan(t *testing.T, size int) *plan.Plan {
	t.Helper()
	p := testPlan(t)
	p.Bare = plan.Bare{Size: size, MaxAge: time.Hour, Kind: "kind"}
	return p
}

// another returns the plan of another job of the same kind.
func another(p *plan.Plan, n int) *plan.Plan {
	next := *p.In(label.NewSandboxID())
	next.Claim.Job = fmt.Sprintf("gitlab.example.com/%d", n)
	return &next
}

func fillBare(t *testing.T, d *Driver, p *plan.Plan, want int) {
	t.Helper()
	made, err := d.FillBare(t.Context(), p)
	if err != nil || made != want {
		t.Fatalf("made %d, %v, want %d", made, err, want)
	}
}

// containersOf returns the names of all containers, without the sandbox's id.
func containersOf(e *fakeengine.Engine) (names []string) {
	for _, o := range e.Objects() {
		if name, ok := strings.CutPrefix(o, "container "); ok {
			names = append(names, name)
		}
	}
	return names
}

func TestAJobBeginsInABareSandbox(t *testing.T) {
	t.Parallel()
	p := barePlan(t, 1)
	e, d := fakeHost(t, p)
	fillBare(t, d, p, 1)
	fillBare(t, d, p, 0)
	waiting, err := d.bares(t.Context())
	if err != nil || len(waiting) != 1 {
		t.Fatalf("%d wait, %v", len(waiting), err)
	}
	began := len(e.Calls())
	ready, err := d.Prepare(t.Context(), p, quiet)
	if err != nil {
		t.Fatal(err)
	}
	id := waiting[0].sandbox
	if ready.Sandbox != id || !ready.Bare || ready.Warm {
		t.Errorf("it began in %+v, and %s waited", ready, id)
	}
	calls := e.Calls()[began:]
	if slices.Contains(calls, "POST /networks/create") {
		t.Error("a network was made")
	}
	names := containersOf(e)
	for _, role := range []string{"-sidecar", "-helper", "-job", "-service-0"} {
		if !slices.Contains(names, "dind-"+id+role) {
			t.Errorf("no %s in %q", role, names)
		}
	}
	sidecar, err := d.eng.Container(t.Context(), "dind-"+id+"-sidecar")
	if err != nil {
		t.Fatal(err)
	}
	if _, there := sidecar.Endpoints[label.NetworkName(id)]; !there {
		t.Errorf("the sidecar has no place in the network: %v", sidecar.Endpoints)
	}
	if left, err := d.bares(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("%d wait still, %v", len(left), err)
	}
	if err := d.Cleanup(t.Context(), p.Claim.Job); err != nil {
		t.Fatal(err)
	}
	if left := e.Objects(); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestNoTwoJobsBeginInOneBareSandbox(t *testing.T) {
	t.Parallel()
	p := barePlan(t, 2)
	e, d := fakeHost(t, p)
	fillBare(t, d, p, 2)
	const jobs = 6
	var g group.Group
	sandboxes := make([]string, jobs)
	bare := make([]bool, jobs)
	for i := range jobs {
		g.Go(func() error {
			ready, err := d.Prepare(t.Context(), another(p, 10+i), quiet)
			sandboxes[i], bare[i] = ready.Sandbox, ready.Bare
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, b := range bare {
		if b {
			n++
		}
	}
	slices.Sort(sandboxes)
	if n != 2 || len(slices.Compact(sandboxes)) != jobs {
		t.Errorf("%d began in bare ones, and the sandboxes are %q", n, sandboxes)
	}
	for i := range jobs {
		if err := d.Cleanup(t.Context(), fmt.Sprintf("gitlab.example.com/%d", 10+i)); err != nil {
			t.Fatal(err)
		}
	}
	if left := e.Objects(); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

// A prepare that fails before the sandbox holds a job container removes the sandbox: no
// cleanup could find it.
func TestAFailureLeavesNoBareSandboxBehind(t *testing.T) {
	t.Parallel()
	p := barePlan(t, 1)
	e, d := fakeHost(t, p)
	fillBare(t, d, p, 1)
	e.Always("POST /containers/create", fakeengine.Refuse(500, "the engine is in a bad way"))
	if ready, err := d.Prepare(t.Context(), p, quiet); err == nil || !strings.Contains(err.Error(), "in a bad way") || !ready.Bare {
		t.Errorf("error %v in %+v", err, ready)
	}
	if left := e.Objects(); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

// A bare sandbox whose helper has ended is useless, and is removed.
func TestABareSandboxThatIsBrokenIsNotTaken(t *testing.T) {
	t.Parallel()
	p := barePlan(t, 1)
	_, d := fakeHost(t, p)
	fillBare(t, d, p, 1)
	waiting, err := d.bares(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.eng.Kill(t.Context(), "dind-"+waiting[0].sandbox+"-helper", "KILL"); err != nil {
		t.Fatal(err)
	}
	ready, err := d.Prepare(t.Context(), p, quiet)
	if err != nil || ready.Bare || ready.Sandbox != p.Sandbox {
		t.Errorf("it began in %+v, %v", ready, err)
	}
	if found, err := d.eng.Ours(t.Context(), label.Sandbox+"="+waiting[0].sandbox); err != nil || len(found) > 0 {
		t.Errorf("the broken one is there: %v, %v", found, err)
	}
}

func TestOfWhichKindBareSandboxesWait(t *testing.T) {
	t.Parallel()
	p := barePlan(t, 2)
	_, d := fakeHost(t, p)
	fillBare(t, d, p, 2)
	other := another(p, 9)
	other.Bare.Kind = "other"
	fillBare(t, d, other, 1)
	kinds := func() string {
		all, err := d.bares(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, b := range all {
			list = append(list, b.kind)
		}
		slices.Sort(list)
		return strings.Join(list, " ")
	}
	if got := kinds(); got != "kind other" {
		t.Errorf("they are %q", got)
	}
	fillBare(t, d, other, 0)
	if n, err := d.Drain(t.Context()); err != nil || n != 2 || kinds() != "" {
		t.Errorf("drained %d, %v, left %q", n, err, kinds())
	}
}

func TestJobsWithoutASubnetGetThoseOfBareSandboxes(t *testing.T) {
	t.Parallel()
	p := barePlan(t, 2)
	e, d := fakeHost(t, p)
	fillBare(t, d, p, 2)
	taken := fakeengine.Refuse(403, "Pool overlaps with other one on this address space")
	p.Network.Pool, p.Bare = netip.MustParsePrefix("10.231.0.0/24"), plan.Bare{} // others have all four subnets
	e.Script("POST /networks/create", taken, taken, taken, taken)
	if _, err := d.createNetwork(t.Context(), p, nil); err != nil {
		t.Fatal(err)
	}
	if left, err := d.bares(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("%d wait still, %v", len(left), err)
	}
	// No bare sandboxes are made where jobs would lack subnets.
	p.Bare = plan.Bare{Size: 1, MaxAge: time.Hour, Kind: "kind"}
	fillBare(t, d, p, 0)
}

func TestWhichBareSandboxesServe(t *testing.T) {
	seat := func(name, kind, state, subnet string, until time.Time) engine.Container {
		return engine.Container{Name: name, State: state, Labels: map[string]string{
			label.Sandbox: "0123456789ab", label.Role: string(plan.RoleSeat), label.Bare: kind, label.Subnet: subnet, label.Deadline: until.Format(time.RFC3339),
		}}
	}
	const name, subnet = "dind-bare-0123456789ab", "10.231.4.0/24"
	for what, c := range map[string]struct {
		c    engine.Container
		want bool
	}{
		"one that waits":         {seat(name, "kind", "running", subnet, noon.Add(time.Hour)), true},
		"of another kind":        {seat(name, "other", "running", subnet, noon.Add(time.Hour)), false},
		"that does not run":      {seat(name, "kind", "exited", subnet, noon.Add(time.Hour)), false},
		"that is about to go":    {seat(name, "kind", "running", subnet, noon.Add(time.Minute)), false},
		"without a subnet":       {seat(name, "kind", "running", "?", noon.Add(time.Hour)), false},
		"of another name":        {seat("dind-bare-fedcba987654", "kind", "running", subnet, noon.Add(time.Hour)), false},
		"of no age that is told": {seat(name, "kind", "running", subnet, time.Time{}), false},
	} {
		got := baresOf([]engine.Container{c.c})
		if serves := len(got) == 1 && got[0].serves("kind", noon); serves != c.want {
			t.Errorf("%s serves: %t", what, serves)
		}
	}
}

// A sweep that finds an old bare sandbox does not remove it from a job that was faster.
func TestARetiredBareSandboxIsNoJobs(t *testing.T) {
	t.Parallel()
	p := barePlan(t, 1)
	_, d := fakeHost(t, p)
	fillBare(t, d, p, 1)
	all, err := d.bares(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id := all[0].sandbox
	seat := engine.Object{Ref: all[0].seat, Name: label.BareName(id), Role: plan.RoleSeat}
	if took, err := d.takeBare(t.Context(), all[0]); err != nil || !took {
		t.Fatalf("%t, %v", took, err)
	}
	if took, err := d.takeBare(t.Context(), all[0]); err != nil || took {
		t.Errorf("taken twice: %t, %v", took, err)
	}
	if taken, err := d.retireBare(t.Context(), id, seat); err != nil || taken {
		t.Errorf("a job's is taken: %t, %v", taken, err)
	}
}

// A failed claim reports its own error, not a cancelled context.
func TestABareSandboxIsNotTakenFromAnEngineThatFails(t *testing.T) {
	t.Parallel()
	p := barePlan(t, 1)
	e, d := fakeHost(t, p)
	fillBare(t, d, p, 1)
	e.Always("POST /containers/{id}/rename", fakeengine.Refuse(500, "the engine is in a bad way"))
	if _, err := d.Prepare(t.Context(), p, quiet); err == nil || !strings.Contains(err.Error(), "taking a bare sandbox") || errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
