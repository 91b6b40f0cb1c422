package driver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/owner"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/span"
)

// Fate is what a sweep does with a sandbox.
type Fate int

// The fates.
const (
	// Spared is left, since it may live.
	Spared Fate = iota
	// Unclear is left, since neither its owner nor its deadline can be judged:
	// no sweep will ever remove it, so a person has to.
	Unclear
	// Swept is removed.
	Swept
)

// Verdict is a sandbox that a sweep has looked at.
type Verdict struct {
	Sandbox string
	Fate    Fate
	// Reason says why, for a person.
	Reason  string
	Objects int
	// Failed says that it is still there, or some of it: its removal met a fault, or
	// a volume that resists it.
	Failed bool
}

// judged is a verdict on the sandbox.
func judged(s *engine.Objects, fate Fate, reason string) Verdict {
	return Verdict{Sandbox: s.Sandbox, Fate: fate, Reason: reason, Objects: len(s.Containers) + len(s.Volumes) + len(s.Networks)}
}

// waitedOut is the end of a sandbox that was made ahead and that nobody needed.
const waitedOut = "it has waited for a job long enough"

// heldOut is the end of one that was held for a look inside.
const heldOut = "it was held for a look inside"

// Leaked tells whether the sandbox was removed, or would be, as what somebody left
// who should not have.
func (v Verdict) Leaked() bool {
	return v.Fate == Swept && !v.Failed && v.Reason != waitedOut && !strings.HasPrefix(v.Reason, heldOut)
}

// overdue is how long after its deadline a sandbox goes although its owner
// lives: GitLab Runner ends a job at its timeout, so only a cleanup that never
// came or failed leaves such a thing. A day leaves room for every doubt.
const overdue = 24 * time.Hour

// Sweep finds what no living job owns and removes it, unless dryRun. bound is
// how long a prepare may take at most. The answer lists all sandboxes there
// are, by id; the error joins what could not be looked at or removed.
func (d *Driver) Sweep(ctx context.Context, now time.Time, bound time.Duration, dryRun bool) ([]Verdict, error) {
	ctx, end := span.Begin(ctx, "sweep")
	defer end()
	found, err := d.eng.Ours(ctx, label.Sandbox)
	if err != nil {
		return nil, err
	}
	rules := rulesHere(now, bound)
	var verdicts []Verdict
	errs := []error{d.sweepPrograms(ctx, rules, dryRun)}
	for _, id := range slices.Sorted(maps.Keys(found)) {
		s := found[id]
		if id == "" || outlives(s) {
			continue
		}
		fate, reason := rules.verdict(s)
		if fate == Swept {
			// Between the first look and the verdict a hook may have finished its
			// sandbox and ended. What a dead process made is seen by a look that
			// begins after its death.
			again, err := d.eng.Ours(ctx, label.Sandbox+"="+id)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			if s = again[id]; s == nil {
				continue
			}
			fate, reason = rules.verdict(s)
		}
		v := judged(s, fate, reason)
		if fate == Swept && !dryRun {
			err := d.removeSwept(ctx, s)
			v.Failed = err != nil
			errs = append(errs, err)
		}
		verdicts = append(verdicts, v)
	}
	if !dryRun {
		errs = append(errs, d.dropStuckMarks(ctx), d.images.ForgetSilences(ctx, now))
	}
	return verdicts, errors.Join(errs...)
}

// removeSwept removes a sandbox. One that no job has taken may be taken at this
// very moment, so it is claimed before.
func (d *Driver) removeSwept(ctx context.Context, s *engine.Objects) error {
	if len(s.Networks) > 0 && claimOf(s) == nil {
		return d.retire(ctx, s.Sandbox)
	}
	return d.removeSandbox(ctx, s.Sandbox, func() {})
}

// rules decide about sandboxes. They leave whatever may live.
type rules struct {
	now time.Time
	// bound is how long a prepare may take.
	bound time.Duration
	lives func(owner.Process) owner.Life
}

// rulesHere judge owners as this process can.
func rulesHere(now time.Time, bound time.Duration) rules {
	here := owner.Here()
	return rules{now, bound, func(o owner.Process) owner.Life { return owner.Judge(o, here, owner.StartOf(o)) }}
}

// verdict says what becomes of a sandbox and why.
func (r rules) verdict(s *engine.Objects) (Fate, string) {
	if len(s.Networks) == 0 {
		return Swept, "its network is gone"
	}
	if until, ok := heldUntil(s); ok {
		text := until.Format(time.RFC3339)
		if r.now.Before(until) {
			return Spared, "it is held until " + text + " for a look inside"
		}
		return Swept, heldOut + " until " + text
	}
	claim := claimOf(s)
	if claim == nil {
		return r.unclaimed(s)
	}
	state := r.owner(claim)
	deadline, err := time.Parse(time.RFC3339, claim[label.Deadline])
	known := err == nil
	switch {
	case state == owner.Dead:
		return Swept, "its owner is dead"
	case state == owner.Alive && known && r.now.After(deadline.Add(overdue)):
		return Swept, fmt.Sprintf("its deadline passed at %s, more than a day ago", deadline.Format(time.RFC3339))
	case state == owner.Alive:
		return Spared, "its owner lives"
	case r.abandoned(s):
		return Swept, "nothing was made in it in the time that prepare has"
	case !known:
		return Unclear, "its owner cannot be judged from here and its deadline cannot be read"
	case r.now.After(deadline):
		return Swept, fmt.Sprintf("its deadline passed at %s and its owner cannot be proved alive", deadline.Format(time.RFC3339))
	}
	return Spared, "its deadline is " + deadline.Format(time.RFC3339)
}

func (r rules) owner(labels map[string]string) owner.Life {
	process, err := owner.Parse(labels[label.Owner])
	if err != nil {
		return owner.Unknown
	}
	return r.lives(process)
}

// unclaimed says what becomes of a sandbox that was made ahead.
func (r rules) unclaimed(s *engine.Objects) (Fate, string) {
	network := s.Networks[0]
	deadline, err := time.Parse(time.RFC3339, network.Labels[label.Deadline])
	maker := r.owner(network.Labels)
	switch {
	case err == nil && r.now.After(deadline):
		return Swept, waitedOut
	case complete(s):
		return Spared, "it waits for a job"
	case maker == owner.Dead:
		return Swept, "it is not complete, and its maker is dead"
	case maker == owner.Alive:
		return Spared, "its maker lives"
	case r.overBound(s):
		return Swept, "it was not complete in the time that prepare has"
	}
	return Spared, "it is being made"
}

// complete tells whether all of a sandbox runs that a job would claim.
func complete(s *engine.Objects) bool {
	running := map[plan.Role]bool{}
	for _, c := range s.Containers {
		running[c.Role] = running[c.Role] || c.Running
	}
	return running[plan.RoleSidecar] && running[plan.RoleHelper]
}

// abandoned tells whether a sandbox is a network alone, older than any prepare
// that could still fill it.
func (r rules) abandoned(s *engine.Objects) bool {
	return len(s.Containers)+len(s.Volumes) == 0 && r.overBound(s)
}

// overBound tells whether a sandbox is older than a prepare may take.
func (r rules) overBound(s *engine.Objects) bool {
	for _, n := range s.Networks {
		created, err := time.Parse(time.RFC3339, n.Labels[label.Created])
		if err != nil || !r.now.After(created.Add(r.bound)) {
			return false
		}
	}
	return true
}

// claimOf returns the labels that say whose a sandbox is, or nil: those of the
// job container, whose owner is the Runner, before those of the network, whose
// owner is the hook that prepares.
func claimOf(s *engine.Objects) map[string]string {
	for _, list := range [][]engine.Object{s.Containers, s.Networks} {
		for _, o := range list {
			if o.Labels[label.Job] != "" && (o.Role == plan.RoleJob || o.Role == plan.RoleNetwork) {
				return o.Labels
			}
		}
	}
	return nil
}

// outlives tells whether the objects are not a sandbox's: what outlives jobs.
func outlives(s *engine.Objects) bool {
	long := func(o engine.Object) bool {
		return slices.Contains([]plan.Role{plan.RoleCache, plan.RoleMirror}, o.Role)
	}
	return slices.ContainsFunc(s.Volumes, long) || slices.ContainsFunc(s.Containers, long) || slices.ContainsFunc(s.Networks, long)
}
