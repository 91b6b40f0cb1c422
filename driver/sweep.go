package driver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"gitlab-dind-executor/driver/plan"
)

// Swept is a sandbox that a sweep removed, or would have.
type Swept struct {
	Sandbox string
	// Reason says why, for a person.
	Reason  string
	Objects int
}

// Sweep finds what no living job owns and removes it, unless dryRun. The
// answer lists what was found; the error joins what could not be removed.
func (d *Driver) Sweep(ctx context.Context, now time.Time, dryRun bool) ([]Swept, error) {
	found, err := d.list(ctx, labelled(labelSandbox))
	if err != nil {
		return nil, err
	}
	here := thisPlace()
	lives := func(o Owner) life { return judge(o, here, processStart(o)) }
	var swept []Swept
	var errs []error
	for _, id := range slices.Sorted(maps.Keys(found)) {
		s := found[id]
		reason := verdict(s, now, lives)
		if reason == "" {
			continue
		}
		// Between the first look and the verdict a hook may have finished its
		// sandbox and ended. What a dead process made is seen by a look that
		// begins after its death.
		again, err := d.list(ctx, labelled(labelSandbox+"="+id))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if s = again[id]; s == nil || verdict(s, now, lives) == "" {
			continue
		}
		swept = append(swept, Swept{id, reason, len(s.containers) + len(s.volumes) + len(s.networks)})
		if !dryRun {
			errs = append(errs, d.removeSandbox(ctx, id))
		}
	}
	return swept, errors.Join(errs...)
}

// verdict says why a sandbox may go, or "" to leave it alone. It leaves
// whatever may live.
func verdict(s *sandboxObjects, now time.Time, lives func(Owner) life) string {
	if s.id == "" || kept(s) {
		return ""
	}
	if len(s.networks) == 0 {
		return "its network is gone"
	}
	claim := claimOf(s)
	if claim == nil {
		return "" // warm: nobody's yet
	}
	owner, err := ParseOwner(claim[labelOwner])
	state := unknown
	if err == nil {
		state = lives(owner)
	}
	switch state {
	case alive:
		return ""
	case dead:
		return "its owner is dead"
	}
	deadline, err := time.Parse(time.RFC3339, claim[labelDeadline])
	if err == nil && now.After(deadline) {
		return fmt.Sprintf("its deadline passed at %s and its Runner cannot be proved alive", deadline.Format(time.RFC3339))
	}
	return ""
}

// claimOf returns the labels that say whose a sandbox is, or nil: those of the
// job container, whose owner is the Runner, before those of the network, whose
// owner is the hook that prepares.
func claimOf(s *sandboxObjects) map[string]string {
	for _, list := range [][]object{s.containers, s.networks} {
		for _, o := range list {
			if o.labels[labelJob] != "" && (o.role == plan.RoleJob || o.role == plan.RoleNetwork) {
				return o.labels
			}
		}
	}
	return nil
}

// kept tells whether the objects are not a sandbox's: what outlives jobs.
func kept(s *sandboxObjects) bool {
	long := func(o object) bool {
		return slices.Contains([]plan.Role{plan.RoleCache, plan.RoleMirror}, o.role)
	}
	return slices.ContainsFunc(s.volumes, long) || slices.ContainsFunc(s.containers, long) || slices.ContainsFunc(s.networks, long)
}
