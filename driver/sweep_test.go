package driver

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/owner"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/fakeengine"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// claimed are the labels of what belongs to a job.
func claimed(role plan.Role, owner string, deadline time.Time) engine.Object {
	return engine.Object{Role: role, Labels: map[string]string{
		label.Job: "gitlab.example.com/7", label.Owner: owner, label.Deadline: deadline.Format(time.RFC3339),
	}}
}

func TestWhatASweepRemoves(t *testing.T) {
	living, gone, elsewhere := owner.Process{PID: 1}.String(), owner.Process{PID: 2}.String(), owner.Process{PID: 3}.String()
	lives := func(o owner.Process) owner.Life {
		return map[int]owner.Life{1: owner.Alive, 2: owner.Dead, 3: owner.Unknown}[o.PID]
	}
	const bound = 10 * time.Minute
	later, earlier := noon.Add(time.Hour), noon.Add(-time.Hour)
	network, sidecar := engine.Object{Role: plan.RoleNetwork}, engine.Object{Role: plan.RoleSidecar}
	volume := engine.Object{Role: plan.RoleBuilds}
	containers := func(list ...engine.Object) *engine.Objects {
		return &engine.Objects{Sandbox: "0123456789ab", Containers: list, Networks: []engine.Object{network}, Volumes: []engine.Object{volume}}
	}
	// alone is a network without anything in it.
	alone := func(o engine.Object, age time.Duration) *engine.Objects {
		o.Labels = maps.Clone(o.Labels)
		if o.Labels == nil {
			o.Labels = map[string]string{}
		}
		o.Labels[label.Created] = noon.Add(-age).Format(time.RFC3339)
		return &engine.Objects{Sandbox: "0123456789ab", Networks: []engine.Object{o}}
	}
	broken := func(owner string) engine.Object {
		return engine.Object{Role: plan.RoleJob, Labels: map[string]string{label.Job: "x/1", label.Owner: owner, label.Deadline: "tomorrow"}}
	}
	for name, c := range map[string]struct {
		s      *engine.Objects
		fate   Fate
		reason string
	}{
		"a job whose Runner lives is left":       {containers(sidecar, claimed(plan.RoleJob, living, later)), Spared, "lives"},
		"even past its deadline":                 {containers(claimed(plan.RoleJob, living, earlier)), Spared, "lives"},
		"even a day past it":                     {containers(claimed(plan.RoleJob, living, noon.Add(-overdue))), Spared, "lives"},
		"but not longer: its cleanup never came": {containers(claimed(plan.RoleJob, living, noon.Add(-overdue-time.Second))), Swept, "more than a day ago"},
		"a job whose Runner is dead goes":        {containers(sidecar, claimed(plan.RoleJob, gone, later)), Swept, "dead"},
		"one of elsewhere is left till its time": {containers(claimed(plan.RoleJob, elsewhere, later)), Spared, "its deadline is 2026-07-01T13:00:00Z"},
		"and goes then":                          {containers(claimed(plan.RoleJob, elsewhere, earlier)), Swept, "deadline passed at 2026-07-01T11:00:00Z"},
		"at its deadline it is still left":       {containers(claimed(plan.RoleJob, elsewhere, noon)), Spared, ""},
		"a broken owner counts as unknown":       {containers(claimed(plan.RoleJob, "{", later)), Spared, ""},
		"and goes past the deadline":             {containers(claimed(plan.RoleJob, "{", earlier)), Swept, "deadline"},
		"no owner counts as unknown":             {containers(claimed(plan.RoleJob, "", later)), Spared, ""},

		"a broken deadline of elsewhere is named":     {containers(broken(elsewhere)), Unclear, "cannot be read"},
		"a broken deadline and a broken owner, too":   {containers(broken("{")), Unclear, "cannot be read"},
		"a broken deadline of a dead Runner goes":     {containers(broken(gone)), Swept, "dead"},
		"a broken deadline of a living one is spared": {containers(broken(living)), Spared, "lives"},

		"a network alone whose hook is dead":              {alone(claimed(plan.RoleNetwork, gone, later), 0), Swept, "dead"},
		"a network alone whose hook lives":                {alone(claimed(plan.RoleNetwork, living, later), 0), Spared, "lives"},
		"however old it is":                               {alone(claimed(plan.RoleNetwork, living, later), 9*bound), Spared, "lives"},
		"a network alone whose hook is elsewhere is left": {alone(claimed(plan.RoleNetwork, elsewhere, later), bound), Spared, "deadline"},
		"until that prepare's time is over":               {alone(claimed(plan.RoleNetwork, elsewhere, later), bound+time.Second), Swept, "nothing was made"},
		"the job container speaks before the network": {
			&engine.Objects{
				Sandbox: "0123456789ab", Containers: []engine.Object{claimed(plan.RoleJob, living, later)},
				Networks: []engine.Object{claimed(plan.RoleNetwork, gone, later)},
			}, Spared, "lives",
		},
		"an orphan goes, whoever made it": {
			&engine.Objects{Sandbox: "0123456789ab", Containers: []engine.Object{claimed(plan.RoleJob, living, later)}}, Swept, "its network is gone",
		},
		"a volume alone goes": {&engine.Objects{Sandbox: "0123456789ab", Volumes: []engine.Object{volume}}, Swept, "its network is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			fate, reason := rules{noon, bound, lives}.verdict(c.s)
			if fate != c.fate || !strings.Contains(reason, c.reason) || reason == "" {
				t.Errorf("got %d %q, want %d %q", fate, reason, c.fate, c.reason)
			}
		})
	}
}

// Who shares an engine with whom, and what one's sweep does to the other's.
func TestASweepAmongNeighbours(t *testing.T) {
	here := owner.Process{Machine: "m1", Host: "runner", PIDNamespace: "pid:[1]", Boot: "b1"}
	const bound, hour = 10 * time.Minute, time.Hour
	neighbour := func(change func(*owner.Process)) owner.Process {
		o := here
		o.PID, o.Start = 7, 100
		if change != nil {
			change(&o)
		}
		return o
	}
	runs := func(int) (uint64, bool) { return 100, true }
	none := func(int) (uint64, bool) { return 0, false }
	another := func(int) (uint64, bool) { return 555, true }
	for name, c := range map[string]struct {
		owner    owner.Process
		start    func(int) (uint64, bool)
		deadline time.Duration // from now
		want     Fate
	}{
		"another Runner on this host that lives":                                 {neighbour(nil), runs, hour, Spared},
		"another Runner on this host that ended":                                 {neighbour(nil), none, hour, Swept},
		"one whose number a new process has":                                     {neighbour(nil), another, hour, Swept},
		"one from before this host was started anew":                             {neighbour(func(o *owner.Process) { o.Boot = "b0" }), runs, hour, Swept},
		"a Runner in a container of this host, whose processes cannot be seen":   {neighbour(func(o *owner.Process) { o.PIDNamespace, o.Host = "pid:[2]", "c0ffee" }), none, hour, Spared},
		"the same past its deadline":                                             {neighbour(func(o *owner.Process) { o.PIDNamespace, o.Host = "pid:[2]", "c0ffee" }), runs, -hour, Swept},
		"a container that is started anew under its name: another pid namespace": {neighbour(func(o *owner.Process) { o.PIDNamespace = "pid:[2]" }), none, hour, Spared},
		"a Runner with the host's pids in a container of another name":           {neighbour(func(o *owner.Process) { o.Host = "c0ffee" }), none, hour, Spared},
		"another host on one remote engine": {neighbour(func(o *owner.Process) {
			*o = owner.Process{Machine: "m2", Host: "runner2", PIDNamespace: "pid:[1]", Boot: "b2", PID: 7, Start: 100}
		}), none, hour, Spared},
		"another host whose pid namespace and name are alike by chance": {neighbour(func(o *owner.Process) { o.Machine, o.Boot = "m2", "b2" }), none, hour, Spared},
		"another host past its deadline": {neighbour(func(o *owner.Process) {
			*o = owner.Process{Machine: "m2", Host: "runner2", PIDNamespace: "pid:[1]", Boot: "b2", PID: 7, Start: 100}
		}), none, -hour, Swept},
		"a clone of this machine with its machine id, under another name":          {neighbour(func(o *owner.Process) { o.Host, o.Boot = "clone", "b2" }), none, hour, Spared},
		"containers without a machine id after a reboot, or two such on two hosts": {neighbour(func(o *owner.Process) { o.Machine, o.Boot = "", "b0" }), none, hour, Spared},
	} {
		t.Run(name, func(t *testing.T) {
			at := here
			if c.owner.Machine == "" {
				at.Machine = ""
			}
			r := rules{noon, bound, func(o owner.Process) owner.Life { return owner.Judge(o, at, c.start) }}
			s := &engine.Objects{
				Sandbox: "0123456789ab", Networks: []engine.Object{{Role: plan.RoleNetwork}},
				Containers: []engine.Object{claimed(plan.RoleJob, c.owner.String(), noon.Add(c.deadline))},
			}
			if fate, reason := r.verdict(s); fate != c.want {
				t.Errorf("got %d (%s), want %d", fate, reason, c.want)
			}
		})
	}
}

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

// A sandbox that is being made is left at every step of its making.
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
		// Past every deadline but the overdue one.
		verdicts, err := d.Sweep(context.WithoutCancel(t.Context()), p.Claim.Deadline.Add(time.Hour), 0, false)
		for _, v := range verdicts {
			if v.Fate != Spared {
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
			if s.Fate == Swept {
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

// A hook may finish its sandbox and end between a sweep's look at the
// containers and its verdict on the network, whose owner the hook is.
func TestSweepSparesASandboxThatWasFinishedMeanwhile(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	me, err := owner.This()
	if err != nil {
		t.Fatal(err)
	}
	hook := me
	hook.Start++ // it has ended by the time of the verdict
	of := func(role, owner string) map[string]string {
		return map[string]string{label.Sandbox: "aaaaaaaaaaaa", label.Role: role, label.Job: testJob, label.Owner: owner, label.Deadline: noon.Format(time.RFC3339)}
	}
	e.AddNetwork("dind-aaaaaaaaaaaa", of("network", hook.String()))
	e.Script("GET /networks", fakeengine.First(func(e *fakeengine.Engine) {
		e.AddContainer("dind-aaaaaaaaaaaa-job", of("job", me.String()), true)
	}))
	swept, err := d.Sweep(t.Context(), noon, time.Hour, false)
	if err != nil || len(swept) != 1 || swept[0].Fate != Spared || len(e.Objects()) != 2 {
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
	e.Script("DELETE /volumes/{name}", slices.Repeat([]fakeengine.Answer{busy}, stuckRounds)...)
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

// What cannot be seen is not removed, and the operator hears of it.
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

// One removal that fails keeps a sandbox, and the next sweep takes it.
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
