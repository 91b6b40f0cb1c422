package driver

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/fakeengine"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// claimed are the labels of what belongs to a job.
func claimed(role plan.Role, owner string, deadline time.Time) object {
	return object{role: role, labels: map[string]string{
		labelJob: "gitlab.example.com/7", labelOwner: owner, labelDeadline: deadline.Format(time.RFC3339),
	}}
}

func TestWhatASweepRemoves(t *testing.T) {
	living, gone, elsewhere := Owner{PID: 1}.String(), Owner{PID: 2}.String(), Owner{PID: 3}.String()
	lives := func(o Owner) life {
		return map[int]life{1: alive, 2: dead, 3: unknown}[o.PID]
	}
	later, earlier := noon.Add(time.Hour), noon.Add(-time.Hour)
	network, sidecar := object{role: plan.RoleNetwork}, object{role: plan.RoleSidecar}
	volume := object{role: plan.RoleBuilds}
	containers := func(list ...object) *sandboxObjects {
		return &sandboxObjects{id: "0123456789ab", containers: list, networks: []object{network}, volumes: []object{volume}}
	}
	for name, c := range map[string]struct {
		s      *sandboxObjects
		reason string
	}{
		"a job whose Runner lives is left":       {containers(sidecar, claimed(plan.RoleJob, living, later)), ""},
		"even past its deadline":                 {containers(claimed(plan.RoleJob, living, earlier)), ""},
		"a job whose Runner is dead goes":        {containers(sidecar, claimed(plan.RoleJob, gone, later)), "dead"},
		"one of elsewhere is left till its time": {containers(claimed(plan.RoleJob, elsewhere, later)), ""},
		"and goes then":                          {containers(claimed(plan.RoleJob, elsewhere, earlier)), "deadline passed at 2026-07-01T11:00:00Z"},
		"at its deadline it is still left":       {containers(claimed(plan.RoleJob, elsewhere, noon)), ""},
		"a broken owner counts as unknown":       {containers(claimed(plan.RoleJob, "{", later)), ""},
		"and goes past the deadline":             {containers(claimed(plan.RoleJob, "{", earlier)), "deadline"},
		"no owner counts as unknown":             {containers(claimed(plan.RoleJob, "", later)), ""},
		"a broken deadline is left": {
			containers(object{role: plan.RoleJob, labels: map[string]string{labelJob: "x/1", labelOwner: elsewhere, labelDeadline: "tomorrow"}}), "",
		},
		"a broken deadline of a dead Runner goes": {
			containers(object{role: plan.RoleJob, labels: map[string]string{labelJob: "x/1", labelOwner: gone, labelDeadline: "tomorrow"}}), "dead",
		},
		"a sandbox that nobody claimed is left": {containers(sidecar, object{role: plan.RoleHelper}), ""},
		"a network alone that nobody claimed":   {&sandboxObjects{id: "0123456789ab", networks: []object{network}}, ""},
		"a network alone whose hook is dead": {
			&sandboxObjects{id: "0123456789ab", networks: []object{claimed(plan.RoleNetwork, gone, later)}}, "dead",
		},
		"a network alone whose hook lives": {
			&sandboxObjects{id: "0123456789ab", networks: []object{claimed(plan.RoleNetwork, living, later)}}, "",
		},
		"the job container speaks before the network": {
			&sandboxObjects{
				id: "0123456789ab", containers: []object{claimed(plan.RoleJob, living, later)},
				networks: []object{claimed(plan.RoleNetwork, gone, later)},
			}, "",
		},
		"an orphan goes, whoever made it": {
			&sandboxObjects{id: "0123456789ab", containers: []object{claimed(plan.RoleJob, living, later)}}, "its network is gone",
		},
		"a volume alone goes":         {&sandboxObjects{id: "0123456789ab", volumes: []object{volume}}, "its network is gone"},
		"a cache is left":             {&sandboxObjects{id: "0123456789ab", volumes: []object{{role: plan.RoleCache}}}, ""},
		"a mirror is left":            {&sandboxObjects{id: "0123456789ab", containers: []object{{role: plan.RoleMirror}}}, ""},
		"its network is left":         {&sandboxObjects{id: "0123456789ab", networks: []object{{role: plan.RoleMirror}}}, ""},
		"what has no sandbox is left": {&sandboxObjects{volumes: []object{volume}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := verdict(c.s, noon, lives)
			if (got == "") != (c.reason == "") || !strings.Contains(got, c.reason) {
				t.Errorf("got %q, want %q", got, c.reason)
			}
		})
	}
}

func TestSweepRemovesWhatNoLivingJobOwns(t *testing.T) {
	e, d := fakeHost(t, nil)
	me, err := thisProcess()
	if err != nil {
		t.Fatal(err)
	}
	gone, elsewhere := me, me
	gone.Start++
	elsewhere.Host = "another-runner"
	sandboxOf(e, testJob, "aaaaaaaaaaaa", me.String())
	sandboxOf(e, testJob, "bbbbbbbbbbbb", gone.String())
	sandboxOf(e, testJob, "cccccccccccc", elsewhere.String())
	e.AddVolume("dind-dddddddddddd-data", map[string]string{labelSandbox: "dddddddddddd", labelRole: "data"})
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
			"cccccccccccc 6 its deadline passed at 2026-07-01T12:00:00Z and its Runner cannot be proved alive, dddddddddddd 1 its network is gone"},
		{"sweeping", noon.Add(-time.Hour), false, "bbbbbbbbbbbb 6 its owner is dead, dddddddddddd 1 its network is gone"},
		{"sweeping again", noon.Add(-time.Hour), false, ""},
	} {
		swept, err := d.Sweep(t.Context(), c.now, c.dry)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range swept {
			got = append(got, fmt.Sprintf("%s %d %s", s.Sandbox, s.Objects, s.Reason))
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
	e, d := fakeHost(t, nil)
	me, err := thisProcess()
	if err != nil {
		t.Fatal(err)
	}
	hook := me
	hook.Start++ // it has ended by the time of the verdict
	of := func(role, owner string) map[string]string {
		return map[string]string{labelSandbox: "aaaaaaaaaaaa", labelRole: role, labelJob: testJob, labelOwner: owner, labelDeadline: noon.Format(time.RFC3339)}
	}
	e.AddNetwork("dind-aaaaaaaaaaaa", of("network", hook.String()))
	e.Script("GET /networks", fakeengine.First(func(e *fakeengine.Engine) {
		e.AddContainer("dind-aaaaaaaaaaaa-job", of("job", me.String()), true)
	}))
	swept, err := d.Sweep(t.Context(), noon, false)
	if err != nil || len(swept) != 0 || len(e.Objects()) != 2 {
		t.Errorf("swept %+v, left %q (%v)", swept, e.Objects(), err)
	}
}

func TestSweepGoesOnAfterAFault(t *testing.T) {
	shortly(t, &removeFirstGap, time.Millisecond)
	e, d := fakeHost(t, nil)
	orphan := func(id string) {
		e.AddVolume("dind-"+id+"-data", map[string]string{labelSandbox: id, labelRole: "data"})
	}
	orphan("aaaaaaaaaaaa")
	orphan("bbbbbbbbbbbb")
	busy := fakeengine.Refuse(500, "device or resource busy")
	e.Script("DELETE /volumes/{name}", slices.Repeat([]fakeengine.Answer{busy}, removeRounds)...)
	swept, err := d.Sweep(t.Context(), noon, false)
	if err == nil || !strings.Contains(err.Error(), "removing sandbox aaaaaaaaaaaa: removing volume dind-aaaaaaaaaaaa-data") || !strings.Contains(fault.HintOf(err), "gc") {
		t.Errorf("error %v, hint %q", err, fault.HintOf(err))
	}
	if left := e.Objects(); len(swept) != 2 || !slices.Equal(left, []string{"volume dind-aaaaaaaaaaaa-data"}) {
		t.Errorf("swept %+v, left %q", swept, left)
	}
}
