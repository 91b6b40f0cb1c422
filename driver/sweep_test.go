package driver

import (
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/driver/plan"
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
