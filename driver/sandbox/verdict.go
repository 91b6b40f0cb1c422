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

// Judged is a verdict on the sandbox.
func Judged(s *engine.Objects, fate Fate, reason string) Verdict {
	return Verdict{Sandbox: s.Sandbox, Fate: fate, Reason: reason, Objects: len(s.Containers) + len(s.Volumes) + len(s.Networks)}
}

// waitedOut is the end of a sandbox that was made ahead and that nobody needed.
const waitedOut = "it has waited for a job long enough"

// HeldOut is the end of one that was held for a look inside.
const HeldOut = "it was held for a look inside"

// Leaked tells whether the sandbox was removed, or would be, as what somebody left
// who should not have.
func (v Verdict) Leaked() bool {
	return v.Fate == Swept && !v.Failed && v.Reason != waitedOut && !strings.HasPrefix(v.Reason, HeldOut)
}

// overdue is how long after its deadline a sandbox goes although its owner
// lives: GitLab Runner ends a job at its timeout, so only a cleanup that never
// came or failed leaves such a thing. A day leaves room for every doubt.
const overdue = 24 * time.Hour

// removalTime is how long whoever removes an ended job's sandbox is left alone. A
// sweep that helps does no harm, but takes time from the next job.
const removalTime = 2 * time.Minute

// Rules decide about sandboxes. They leave whatever may live.
type Rules struct {
	// Now is the moment of the verdict.
	Now time.Time
	// Bound is how long a prepare may take.
	Bound time.Duration
	// Lives judges an owner.
	Lives func(owner.Process) owner.Life
}

// RulesHere judge owners as this process can.
func RulesHere(now time.Time, bound time.Duration) Rules {
	here := owner.Here()
	return Rules{now, bound, func(o owner.Process) owner.Life { return owner.Judge(o, here, owner.StartOf(o)) }}
}

// Verdict says what becomes of a sandbox and why.
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
	if claim == nil {
		return r.unclaimed(s)
	}
	state := r.owner(claim)
	if at, ok := EndedAt(s); ok {
		if state != owner.Dead && r.Now.Before(at.Add(removalTime)) {
			return Spared, "its job has ended, and it is being removed"
		}
		return Swept, "its job ended at " + at.Format(time.RFC3339) + ", and its removal did not"
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

// unclaimed says what becomes of a sandbox that was made ahead.
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

// Complete tells whether all of a sandbox runs that a job would claim.
func Complete(s *engine.Objects) bool {
	running := map[plan.Role]bool{}
	for _, c := range s.Containers {
		running[c.Role] = running[c.Role] || c.Running
	}
	return running[plan.RoleSidecar] && running[plan.RoleHelper]
}

// BareWaits tells whether a bare sandbox is there for a job that comes.
func BareWaits(s *engine.Objects) bool {
	helper, seat := false, false
	for _, c := range s.Containers {
		helper = helper || c.Role == plan.RoleHelper && c.Running
		seat = seat || c.Role == plan.RoleSeat && c.Running && label.IsBare(c.Name)
	}
	return helper && seat
}

// takenAt is when a job took a bare sandbox, if one has.
func takenAt(s *engine.Objects) (at time.Time, taken bool) {
	for _, c := range s.Containers {
		if c.Role == plan.RoleSeat {
			return label.TakenAt(s.Sandbox, c.Name)
		}
	}
	return time.Time{}, false
}

// abandoned tells whether a sandbox is a network alone, older than any prepare
// that could still fill it.
func (r Rules) abandoned(s *engine.Objects) bool {
	return len(s.Containers)+len(s.Volumes) == 0 && r.overBound(s)
}

// overBound tells whether a sandbox is older than a prepare may take.
func (r Rules) overBound(s *engine.Objects) bool {
	for _, n := range s.Networks {
		created, err := time.Parse(time.RFC3339, n.Labels[label.Created])
		if err != nil || !r.Now.After(created.Add(r.Bound)) {
			return false
		}
	}
	return true
}

// ClaimOf returns the labels that say whose a sandbox is, or nil: those of the
// job container, whose owner is the Runner, before those of the network, whose
// owner is the hook that prepares.
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

// Outlives tells whether the objects are not a sandbox's: what outlives jobs.
func Outlives(s *engine.Objects) bool {
	long := func(o engine.Object) bool {
		return slices.Contains([]plan.Role{plan.RoleCache, plan.RoleMirror}, o.Role)
	}
	return slices.ContainsFunc(s.Volumes, long) || slices.ContainsFunc(s.Containers, long) || slices.ContainsFunc(s.Networks, long)
}

// EndedAt tells whether a sandbox's job has ended, and when. The mark of another
// version that cannot be read counts as an old one.
func EndedAt(s *engine.Objects) (time.Time, bool) {
	for _, v := range s.Volumes {
		if v.Role == plan.RoleEnded {
			at, _ := time.Parse(time.RFC3339, v.Labels[label.Created])
			return at, true
		}
	}
	return time.Time{}, false
}

// HeldUntil tells whether a sandbox is held for a look inside, and until when. A
// mark that cannot be read says nothing: then it is judged as any other.
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
