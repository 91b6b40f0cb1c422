package sandbox

import (
	"maps"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/owner"
	"gitlab-dind-executor/driver/plan"
)

// claimed are the labels of a job's object.
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
			fate, reason := Rules{noon, bound, lives}.Verdict(c.s)
			if fate != c.fate || !strings.Contains(reason, c.reason) || reason == "" {
				t.Errorf("got %d %q, want %d %q", fate, reason, c.fate, c.reason)
			}
		})
	}
}

// Runners that share an engine, and the effect of a sweep on each other's sandboxes.
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
			r := Rules{noon, bound, func(o owner.Process) owner.Life { return owner.Judge(o, at, c.start) }}
			s := &engine.Objects{
				Sandbox: "0123456789ab", Networks: []engine.Object{{Role: plan.RoleNetwork}},
				Containers: []engine.Object{claimed(plan.RoleJob, c.owner.String(), noon.Add(c.deadline))},
			}
			if fate, reason := r.Verdict(s); fate != c.want {
				t.Errorf("got %d (%s), want %d", fate, reason, c.want)
			}
		})
	}
}

// A sweep of sandboxes that no job has taken.
func TestWhatASweepRemovesOfWhatWaits(t *testing.T) {
	living, gone, elsewhere := owner.Process{PID: 1}.String(), owner.Process{PID: 2}.String(), owner.Process{PID: 3}.String()
	lives := func(o owner.Process) owner.Life {
		return map[int]owner.Life{1: owner.Alive, 2: owner.Dead, 3: owner.Unknown}[o.PID]
	}
	const bound = 10 * time.Minute
	waiting := func(maker string, age, left time.Duration, running ...plan.Role) *engine.Objects {
		s := &engine.Objects{Sandbox: "0123456789ab", Networks: []engine.Object{{Role: plan.RoleNetwork, Labels: map[string]string{
			label.Owner: maker, label.Created: noon.Add(-age).Format(time.RFC3339), label.Deadline: noon.Add(left).Format(time.RFC3339),
		}}}}
		for _, role := range []plan.Role{plan.RoleSidecar, plan.RoleHelper} {
			s.Containers = append(s.Containers, engine.Object{Role: role})
		}
		for i, role := range running {
			s.Containers[i] = engine.Object{Role: role, Running: true}
		}
		return s
	}
	both := []plan.Role{plan.RoleSidecar, plan.RoleHelper}
	unlabelled := waiting("", 0, time.Hour)
	unlabelled.Networks[0].Labels = nil
	for name, c := range map[string]struct {
		s      *engine.Objects
		fate   Fate
		reason string
	}{
		"one that waits is left, though its maker is gone": {waiting(gone, bound, time.Hour, both...), Spared, "waits for a job"},
		"until its time is over":                           {waiting(gone, bound, -time.Second, both...), Swept, "long enough"},
		"one that is made is left":                         {waiting(living, bound+time.Hour, time.Hour), Spared, "its maker lives"},
		"half of one, too":                                 {waiting(living, 0, time.Hour, plan.RoleHelper), Spared, "its maker lives"},
		"unless its maker is dead":                         {waiting(gone, 0, time.Hour, plan.RoleHelper), Swept, "its maker is dead"},
		"so goes one whose containers have ended":          {waiting(gone, time.Hour, time.Hour), Swept, "its maker is dead"},
		"a maker elsewhere has the time that prepare has":  {waiting(elsewhere, bound, time.Hour), Spared, "being made"},
		"and no longer":                                    {waiting(elsewhere, bound+time.Second, time.Hour), Swept, "not complete"},
		"a bare one waits":                                 {bareOne("dind-bare-0123456789ab", time.Hour), Spared, "waits for a job"},
		"a bare one whose time is over goes":               {bareOne("dind-bare-0123456789ab", -time.Minute), Swept, "waited for a job long enough"},
		"one that a job takes is left":                     {bareOne(label.TakenName("0123456789ab", noon.Add(-bound)), time.Hour), Spared, "a job takes it"},
		"until that job's prepare has no time":             {bareOne(label.TakenName("0123456789ab", noon.Add(-bound-time.Second)), time.Hour), Swept, "a job took it"},
		"one whose seat is not offered so far":             {bareOne("dind-0123456789ab-seat", time.Hour), Swept, "its maker is dead"},
		"one of unknown age is left":                       {unlabelled, Spared, "being made"},
	} {
		t.Run(name, func(t *testing.T) {
			fate, reason := Rules{noon, bound, lives}.Verdict(c.s)
			if fate != c.fate || !strings.Contains(reason, c.reason) {
				t.Errorf("got %d %q, want %d %q", fate, reason, c.fate, c.reason)
			}
		})
	}
}

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// bareOne is a bare sandbox whose maker has ended, with a seat of the given name.
func bareOne(seat string, left time.Duration) *engine.Objects {
	const id = "0123456789ab"
	maker := owner.Process{PID: 2}.String()
	return &engine.Objects{
		Sandbox: id,
		Networks: []engine.Object{{Role: plan.RoleNetwork, Labels: map[string]string{
			label.Owner: maker, label.Created: noon.Add(-time.Hour).Format(time.RFC3339), label.Deadline: noon.Add(left).Format(time.RFC3339),
		}}},
		Containers: []engine.Object{{Role: plan.RoleHelper, Running: true}, {Role: plan.RoleSeat, Name: seat, Running: true}},
	}
}
