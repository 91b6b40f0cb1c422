package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/owner"
	"gitlab-dind-executor/driver/plan"
)

// Fate is a sweep's decision about a sandbox.
type Fate int

// Fates of a sandbox.
const (
	// Spared: the sandbox stays, since it may live.
	Spared Fate = iota
	// Unclear: the sandbox stays, since neither its owner nor its deadline can be judged. No
	// sweep will ever remove it, so a person has to.
	Unclear
	// Swept: the sandbox is removed.
	Swept
)

// Verdict is a sandbox that a sweep has looked at.
type Verdict struct {
	Sandbox string
	Fate    Fate
	// Reason says why, for a person.
	Reason  string
	Objects int
	// Failed: the sandbox, or a part, is still there. The removal met a fault, or a volume
	// resists.
	Failed bool
}

// Judged is a verdict on the sandbox.
func Judged(s *engine.Objects, fate Fate, reason string) Verdict {
	return Verdict{Sandbox: s.Sandbox, Fate: fate, Reason: reason, Objects: len(s.Containers) + len(s.Volumes) + len(s.Networks)}
}

// waitedOut is the reason for the end of a sandbox made ahead that nobody needed.
const waitedOut = "it has waited for a job long enough"

// HeldOut begins the reason for the end of a held sandbox.
const HeldOut = "it was held for a look inside"

// Leaked tells whether the sandbox was, or would be, removed as a leftover that should not exist.
func (v Verdict) Leaked() bool {
	return v.Fate == Swept && !v.Failed && v.Reason != waitedOut && !strings.HasPrefix(v.Reason, HeldOut)
}

// overdue is the time between a sandbox's deadline and its removal although the owner lives.
// GitLab Runner ends a job at its timeout, so only a missing or failed cleanup leaves such a
// sandbox. A day leaves room for every doubt.
const overdue = 24 * time.Hour

// removalTime is the time given to the removal of an ended job's sandbox. A sweep that helps does
// no harm, but takes time from the next job.
const removalTime = 2 * time.Minute

// Rules decide about sandboxes. A sandbox that may live stays.
type Rules struct {
	// Now is the moment of the verdict.
	Now time.Time
	// Bound is the longest time of a prepare.
	Bound time.Duration
	// Lives judges an owner.
	Lives func(owner.Process) owner.Life
}

// RulesHere judge owners from the place of this process.
func RulesHere(now time.Time, bound time.Duration) Rules {
	here := owner.Here()
	return Rules{now, bound, func(o owner.Process) owner.Life { return owner.Judge(o, here, owner.StartOf(o)) }}
}

// Verdict decides about a sandbox, with the reason in words for a person.
func (r Rules) Verdict(s *engine.Objects) (Fate, string) {
	if len(s.Networks) == 0 {
		return Swept, "its network is gone"
	}
	if until, ok := HeldUntil(s); ok {
		text := until.Format(time.RFC3339)
		if r.Now.Before(until) {
			return Spared, "it is held until " + text + " for a look inside"
		}
		return Swept, HeldOut + " until " + text
	}
	claim := ClaimOf(s)
	state := r.owner(claim)
	if at, ok := EndedAt(s); ok {
		if state != owner.Dead && r.Now.Before(at.Add(removalTime)) {
			return Spared, "its job has ended, and it is being removed"
		}
		return Swept, "its job ended at " + at.Format(time.RFC3339) + ", and its removal did not"
	}
	if claim == nil {
		return r.unclaimed(s)
	}
	deadline, err := time.Parse(time.RFC3339, claim[label.Deadline])
	known := err == nil
	switch {
	case state == owner.Dead:
		return Swept, "its owner is dead"
	case state == owner.Alive && known && r.Now.After(deadline.Add(overdue)):
		return Swept, fmt.Sprintf("its deadline passed at %s, more than a day ago", deadline.Format(time.RFC3339))
	case state == owner.Alive:
		return Spared, "its owner lives"
	case r.abandoned(s):
		return Swept, "nothing was made in it in the time that prepare has"
	case !known:
		return Unclear, "its owner cannot be judged from here and its deadline cannot be read"
	case r.Now.After(deadline):
		return Swept, fmt.Sprintf("its deadline passed at %s and its owner cannot be proved alive", deadline.Format(time.RFC3339))
	}
	return Spared, "its deadline is " + deadline.Format(time.RFC3339)
}

func (r Rules) owner(labels map[string]string) owner.Life {
	process, err := owner.Parse(labels[label.Owner])
	if err != nil {
		return owner.Unknown
	}
	return r.Lives(process)
}

// unclaimed decides about a sandbox that was made ahead.
func (r Rules) unclaimed(s *engine.Objects) (Fate, string) {
	network := s.Networks[0]
	deadline, err := time.Parse(time.RFC3339, network.Labels[label.Deadline])
	maker := r.owner(network.Labels)
	taken, isTaken := takenAt(s)
	switch {
	case err == nil && r.Now.After(deadline):
		return Swept, waitedOut
	case isTaken && r.Now.After(taken.Add(r.Bound)):
		return Swept, "a job took it, and made nothing in it in the time that prepare has"
	case isTaken:
		return Spared, "a job takes it"
	case Complete(s), BareWaits(s):
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

// Complete tells whether everything runs in a sandbox that a claim needs.
func Complete(s *engine.Objects) bool {
	running := map[plan.Role]bool{}
	for _, c := range s.Containers {
		running[c.Role] = running[c.Role] || c.Running
	}
	return running[plan.RoleSidecar] && running[plan.RoleHelper]
}

// BareWaits tells whether a bare sandbox is ready for a job.
func BareWaits(s *engine.Objects) bool {
	helper, seat := false, false
	for _, c := range s.Containers {
		helper = helper || c.Role == plan.RoleHelper && c.Running
		seat = seat || c.Role == plan.RoleSeat && c.Running && label.IsBare(c.Name)
	}
	return helper && seat
}

// takenAt is the time when a job took a bare sandbox; false if none has.
func takenAt(s *engine.Objects) (at time.Time, taken bool) {
	for _, c := range s.Containers {
		if c.Role == plan.RoleSeat {
			return label.TakenAt(s.Sandbox, c.Name)
		}
	}
	return time.Time{}, false
}

// abandoned tells whether a sandbox is only a network, older than any prepare that could still
// fill it.
func (r Rules) abandoned(s *engine.Objects) bool {
	return len(s.Containers)+len(s.Volumes) == 0 && r.overBound(s)
}

// overBound tells whether a sandbox is older than the longest prepare.
func (r Rules) overBound(s *engine.Objects) bool {
	for _, n := range s.Networks {
		created, err := time.Parse(time.RFC3339, n.Labels[label.Created])
		if err != nil || !r.Now.After(created.Add(r.Bound)) {
			return false
		}
	}
	return true
}

// ClaimOf returns the labels that name a sandbox's job and owner, or nil. The job container,
// whose owner is the Runner, comes before the network, whose owner is the preparing hook.
func ClaimOf(s *engine.Objects) map[string]string {
	for _, list := range [][]engine.Object{s.Containers, s.Networks} {
		for _, o := range list {
			if o.Labels[label.Job] != "" && (o.Role == plan.RoleJob || o.Role == plan.RoleNetwork) {
				return o.Labels
			}
		}
	}
	return nil
}

// Outlives tells whether the objects outlive jobs, and so belong to no sandbox.
func Outlives(s *engine.Objects) bool {
	long := func(o engine.Object) bool {
		return slices.Contains([]plan.Role{plan.RoleCache, plan.RoleMirror}, o.Role)
	}
	return slices.ContainsFunc(s.Volumes, long) || slices.ContainsFunc(s.Containers, long) || slices.ContainsFunc(s.Networks, long)
}

// EndedAt tells whether a sandbox's job has ended, and when. An unreadable mark, of another
// version, counts as old.
func EndedAt(s *engine.Objects) (time.Time, bool) {
	for _, v := range s.Volumes {
		if v.Role == plan.RoleEnded {
			at, _ := time.Parse(time.RFC3339, v.Labels[label.Created])
			return at, true
		}
	}
	return time.Time{}, false
}

// HeldUntil tells whether a sandbox is held for a look inside, and until when. With an unreadable
// mark the sandbox counts as not held.
func HeldUntil(s *engine.Objects) (time.Time, bool) {
	for _, v := range s.Volumes {
		if v.Role == plan.RoleHeld || v.Role == plan.RoleHeldBefore {
			if until, err := time.Parse(time.RFC3339, v.Labels[label.Deadline]); err == nil {
				return until, true
			}
		}
	}
	return time.Time{}, false
}

// ProgramOver tells whether nobody waits for a container of this program.
func (r Rules) ProgramOver(labels map[string]string) bool {
	switch r.owner(labels) {
	case owner.Dead:
		return true
	case owner.Alive:
		return false
	}
	deadline, err := time.Parse(time.RFC3339, labels[label.Deadline])
	return err == nil && r.Now.After(deadline)
}
