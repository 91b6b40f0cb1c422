package looking

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"gitlab-dind-executor/driver/bounds"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/layers"
	"gitlab-dind-executor/driver/mirror"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/removal"
	"gitlab-dind-executor/driver/sandbox"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/group"
)

// Looker looks at the objects of this program on an engine, and into them.
type Looker struct {
	eng     *engine.Engine
	jobs    sandbox.Finder
	bounds  *bounds.Bounds
	removal *removal.Remover
	layers  *layers.Layers
	mirrors *mirror.Keeper
}

// New makes a Looker for an engine. The other arguments keep parts of the objects.
func New(eng *engine.Engine, limits *bounds.Bounds, remover *removal.Remover, cached *layers.Layers, mirrors *mirror.Keeper) *Looker {
	return &Looker{eng, sandbox.Finder{Engine: eng}, limits, remover, cached, mirrors}
}

// State is the state of a sandbox, in a word for a person.
type State string

// States of a sandbox.
const (
	// Making: some containers of the sandbox are missing yet.
	Making State = "making"
	// Booting: a job's sandbox, with an inner daemon that does not listen yet.
	Booting State = "booting"
	// Running: a job's sandbox.
	Running State = "running"
	// Waits: made ahead, and without a job yet.
	Waits State = "waiting"
	// Bare: made ahead without a daemon, and without a job yet.
	Bare State = "bare"
	// Held: a failed job's sandbox, for a look inside.
	Held State = "held"
	// Going: the removal is under way.
	Going State = "going"
	// Orphan: the next sweep removes the sandbox. Doubtful: no sweep here can judge it.
	Orphan   State = "orphan"
	Doubtful State = "unclear"
)

// States are all states, with those first that a person should look at.
var States = []State{Doubtful, Orphan, Held, Making, Booting, Running, Going, Waits, Bare}

// Unknown stands for a number that the engine did not tell in time.
const Unknown = -1

// SandboxStatus describes one sandbox.
type SandboxStatus struct {
	Sandbox string `json:"sandbox"`
	State   State  `json:"state"`
	// Reason says in a sweep's words why the sandbox stays or goes.
	Reason string `json:"reason"`
	// Job is the job's key, instance/id; empty without a job.
	Job     string `json:"job,omitempty"`
	Project string `json:"project,omitempty"`
	// URL, Ref and Stage are the job's, as its pipeline chose them. They are empty where
	// an older version made the sandbox.
	URL   string `json:"url,omitempty"`
	Ref   string `json:"ref,omitempty"`
	Stage string `json:"stage,omitempty"`
	// TimesOut is when the job has used all of its own time; nil where that is not known.
	TimesOut *time.Time `json:"times_out,omitempty"`
	// Created is the time of the claim by a job or, without a job, of the making.
	Created time.Time `json:"created"`
	// Until is the end of a waiting or held sandbox.
	Until *time.Time `json:"until,omitempty"`
	// Containers counts all containers, and Running those that run.
	Containers int `json:"containers"`
	Running    int `json:"running"`
	// DaemonEnded: the inner daemon has ended, though its job may go on.
	DaemonEnded bool `json:"daemon_ended"`
	// CPUs is the number of busy processors. Memory and Disk are bytes. Numbers below 0 are
	// unknown. Disk counts the sandbox's volumes, the data of its inner daemon included.
	CPUs   float64 `json:"cpus"`
	Memory int64   `json:"memory"`
	Disk   int64   `json:"disk"`
}

// CachedStatus sums up the caches and layers of all projects.
type CachedStatus struct {
	Caches int `json:"caches"`
	Layers int `json:"layers"`
	InUse  int `json:"in_use"`
	// Size is in bytes; unknown below 0.
	Size int64 `json:"size"`
}

// MirrorStatus describes one mirror.
type MirrorStatus struct {
	Name   string `json:"name"`
	Remote string `json:"remote"`
	State  string `json:"state"`
	Size   int64  `json:"size"`
	Jobs   int    `json:"jobs"`
}

// Status has all objects of this program on the engine at one moment.
type Status struct {
	Time      time.Time       `json:"time"`
	Sandboxes []SandboxStatus `json:"sandboxes"`
	Cached    CachedStatus    `json:"cached"`
	Mirrors   []MirrorStatus  `json:"mirrors"`
	// Stuck are volumes that resist their removal.
	Stuck []removal.StuckVolume `json:"stuck,omitempty"`
	// Missing names the facts that the engine did not tell, or not in time.
	Missing []string `json:"missing,omitempty"`
}

// sandboxYouth is the longest boot of a sidecar. Older sidecars are not asked whether they boot.
const sandboxYouth = 10 * time.Minute

// Status looks at all objects of this program. Counting has a bound, so a slow engine costs only
// numbers; without the engine's lists there is no status. w holds the counts of the last look.
// prepare is the longest time of a prepare.
func (l *Looker) Status(ctx context.Context, w *Watcher, now time.Time, prepare time.Duration) (Status, error) {
	lists, cancel := context.WithTimeout(ctx, l.bounds.StatusList)
	defer cancel()
	found, err := l.eng.Ours(lists, label.Sandbox)
	if err != nil {
		return Status{}, err
	}
	cached, _, cachedErr := l.layers.Cached(lists)
	mirrors, mirrorErr := l.mirrors.Mirrors(lists)
	resisting, stuckErr := l.removal.Stuck(lists)
	missing := []string{}
	if stuckErr != nil {
		missing = append(missing, "volumes that resist their removal: "+fault.Line(stuckErr))
	}
	if err := errors.Join(cachedErr, mirrorErr); err != nil {
		missing = append(missing, "caches and mirrors: "+fault.Line(err))
	}

	count, stop := context.WithTimeout(ctx, l.bounds.StatusCount)
	defer stop()
	var boots map[string]bool
	var noUse, noSizes string
	var g group.Group
	g.Go(func() error { noUse = w.sample(count, l, found); return nil })
	g.Go(func() error { noSizes = w.measure(count, l, now, mirrors, len(found)+len(cached) > 0); return nil })
	g.Go(func() error { boots = l.booting(count, found, now); return nil })
	_ = g.Wait() // no function fails: facts out of reach are in missing
	for _, m := range []string{noUse, noSizes} {
		if m != "" {
			missing = append(missing, m)
		}
	}

	st := Status{Time: now, Sandboxes: statusesOf(found, sandbox.RulesHere(now, prepare), boots), Mirrors: []MirrorStatus{}, Stuck: resisting, Missing: missing}
	for i := range st.Sandboxes {
		w.addTo(&st.Sandboxes[i], found[st.Sandboxes[i].Sandbox])
	}
	for _, c := range cached {
		st.Cached.Size = plus(st.Cached.Size, w.size(c.Name))
		if c.Role == plan.RoleCache {
			st.Cached.Caches++
		} else {
			st.Cached.Layers++
		}
		if !c.Idle {
			st.Cached.InUse++
		}
	}
	for _, m := range mirrors {
		st.Mirrors = append(st.Mirrors, MirrorStatus{m.Name, m.Remote, m.State, w.size(m.Name), m.Jobs})
	}
	return st, nil
}

// statusesOf are the states of all sandboxes, the oldest first. boots has the sandboxes whose
// daemons do not listen yet.
func statusesOf(found map[string]*engine.Objects, rules sandbox.Rules, boots map[string]bool) []SandboxStatus {
	all := []SandboxStatus{}
	for id, s := range found {
		if id != "" && !sandbox.Outlives(s) {
			all = append(all, statusOf(s, rules, boots[id]))
		}
	}
	slices.SortFunc(all, func(a, b SandboxStatus) int {
		return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.Sandbox, b.Sandbox))
	})
	return all
}

// statusOf is the state of a sandbox. booting tells whether its daemon does not listen yet.
func statusOf(s *engine.Objects, r sandbox.Rules, booting bool) SandboxStatus {
	fate, reason := r.Verdict(s)
	st := SandboxStatus{Sandbox: s.Sandbox, Reason: reason, Containers: len(s.Containers)}
	has := map[plan.Role]bool{}
	for _, c := range s.Containers {
		has[c.Role] = true
		st.DaemonEnded = st.DaemonEnded || c.Role == plan.RoleSidecar && c.Ended
		if c.Running {
			st.Running++
		}
	}
	claim := sandbox.ClaimOf(s)
	until, held := sandbox.HeldUntil(s)
	_, ended := sandbox.EndedAt(s)
	switch {
	case fate == sandbox.Swept:
		st.State = Orphan
	case fate == sandbox.Unclear:
		st.State = Doubtful
	case held:
		st.State, st.Until = Held, &until
	case ended, claim[label.Job] == label.NoJob:
		st.State = Going
	case claim == nil && (sandbox.Complete(s) || sandbox.BareWaits(s)):
		st.State = Waits
		if !has[plan.RoleSidecar] {
			st.State = Bare
		}
		if t, err := time.Parse(time.RFC3339, s.Networks[0].Labels[label.Deadline]); err == nil {
			st.Until = &t
		}
	case claim == nil, !has[plan.RoleJob] || !has[plan.RoleSidecar]:
		st.State = Making
	case booting:
		st.State = Booting
	default:
		st.State = Running
	}
	if claim[label.Job] != label.NoJob {
		st.Job, st.Project = claim[label.Job], claim[label.Project]
		st.URL, st.Ref, st.Stage = claim[label.URL], claim[label.Ref], claim[label.Stage]
		if t, err := time.Parse(time.RFC3339, claim[label.TimesOut]); err == nil && st.Job != "" {
			st.TimesOut = &t
		}
	}
	st.Created = madeAt(s, claim)
	return st
}

// madeAt is the time of the claim by a job or, without a claim, of the first object.
func madeAt(s *engine.Objects, claim map[string]string) time.Time {
	if t, err := time.Parse(time.RFC3339, claim[label.Created]); err == nil {
		return t
	}
	var first time.Time
	for _, o := range slices.Concat(s.Networks, s.Containers, s.Volumes) {
		if t, err := time.Parse(time.RFC3339, o.Labels[label.Created]); err == nil && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// booting asks the young sidecars of jobs whether their daemons listen. A sidecar without an
// answer in time counts as listening.
func (l *Looker) booting(ctx context.Context, found map[string]*engine.Objects, now time.Time) map[string]bool {
	var ids []string
	var sidecars []engine.Object
	for id, s := range found {
		for _, c := range s.Containers {
			made, err := time.Parse(time.RFC3339, c.Labels[label.Created])
			if c.Role == plan.RoleSidecar && c.Running && err == nil && now.Sub(made) < sandboxYouth && c.Labels[label.Deadline] == "" {
				ids, sidecars = append(ids, id), append(sidecars, c)
			}
		}
	}
	listens := make([]bool, len(ids))
	var g group.Group
	g.SetLimit(StatusAtOnce)
	for i, c := range sidecars {
		g.Go(func() error {
			listens[i] = l.listens(ctx, c.Ref)
			return nil
		})
	}
	_ = g.Wait() // the answers are in listens
	boots := map[string]bool{}
	for i, id := range ids {
		boots[id] = !listens[i]
	}
	return boots
}
