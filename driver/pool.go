package driver

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/containerd/errdefs"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/owner"
	"gitlab-dind-executor/driver/plan"
)

// Waiting is a sandbox that was made ahead.
type Waiting struct {
	Sandbox string
	// Image is its sidecar's.
	Image string
	// Kind is the hash of what a job's plan must share with it.
	Kind    string
	Created time.Time
	// Until is when no job may take it any more.
	Until time.Time
	// Bare says that it has no docker daemon.
	Bare bool
	// Ready is false while it is made, and for one whose containers have ended.
	Ready bool
}

// Pool lists the sandboxes that no job has taken, the oldest first.
func (d *Driver) Pool(ctx context.Context) ([]Waiting, error) {
	all, err := d.allAhead(ctx, "")
	if err != nil {
		return nil, err
	}
	bares, err := d.bares(ctx)
	if err != nil {
		return nil, err
	}
	var list []Waiting
	now := time.Now()
	for _, a := range all {
		if !a.taken {
			list = append(list, Waiting{Sandbox: a.sandbox, Image: a.image, Kind: a.spec, Created: a.created, Until: a.until, Ready: a.waits(now)})
		}
	}
	for _, b := range bares {
		list = append(list, Waiting{Sandbox: b.sandbox, Image: b.imageName, Kind: b.kind, Created: b.created, Until: b.until, Bare: true, Ready: b.serves(b.kind, now)})
	}
	return list, nil
}

// Fill makes sandboxes of the plan's kind until as many wait as its pool holds, one
// at a time, and lets jobs of this host go first. Where the pool is full of other
// kinds, one of this kind takes the oldest's place. Where layers are cached it makes
// only those that have some of an earlier job's: an empty one would keep the next job
// from them. admit says whether there is room for one more. It returns how many it
// has made.
func (d *Driver) Fill(ctx context.Context, p *plan.Plan, admit func(context.Context) error) (made int, err error) {
	if !p.MayWait() {
		return 0, nil
	}
	unlock, err := d.locks.Lock(ctx, "pool", "filling the pool", "gitlab-dind-executor pool status shows what waits")
	if err != nil {
		return 0, err
	}
	defer unlock()
	if err := d.dropOlder(ctx, p); err != nil {
		return 0, err
	}
	for range p.Pool.Size {
		more, err := d.fillOne(ctx, p, admit)
		if more {
			made++
		}
		if err != nil || !more {
			return made, err
		}
	}
	return made, nil
}

// fillOne makes one sandbox of the plan's kind, if another is to wait, and tells
// whether it did.
func (d *Driver) fillOne(ctx context.Context, p *plan.Plan, admit func(context.Context) error) (bool, error) {
	y := d.yielding()
	y.yield(ctx)
	begun := d.locks.Share(makingOf(p.Spec))
	defer begun()
	all, err := d.allAhead(ctx, "")
	if err != nil {
		return false, err
	}
	full, wanted := demand(all, p, time.Now())
	if !wanted {
		return false, nil
	}
	if p.Sidecar.Layers {
		if free, err := d.Layers.AnyIdle(ctx, p.Claim.Scope); err != nil || !free {
			return false, err
		}
	}
	if err := admit(ctx); err != nil {
		return false, err
	}
	if _, err := d.makeAhead(ctx, p.In(label.NewSandboxID()), y, begun); errors.Is(err, errNoLayers) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	if full {
		return true, d.shrink(ctx, p)
	}
	return true, nil
}

// dropOlder removes the sandboxes of the plan's kind that were made of other
// images than its names stand for by now: no job takes them.
func (d *Driver) dropOlder(ctx context.Context, p *plan.Plan) error {
	all, err := d.allAhead(ctx, p.Spec)
	if err != nil {
		return err
	}
	var errs []error
	for _, a := range all {
		for _, made := range []struct {
			of plan.ImageRef
			id string
		}{{p.Sidecar.Image, a.sidecarImage}, {p.Helper.Image, a.helperImage}} {
			img, err := d.eng.Image(ctx, made.of)
			wanted, unknown := d.images.Wanted(ctx, made.of)
			if err == nil && unknown == nil && img.Fits(wanted) && made.id != "" && img.ID != made.id && !a.taken {
				errs = append(errs, d.retire(ctx, a.sandbox))
				break
			}
		}
	}
	return errors.Join(errs...)
}

// demand tells whether as many wait as the pool holds, and whether one more of the
// plan's kind is wanted: where there is room, or where none of its kind waits and the
// oldest has kept its place for long enough.
func demand(all []*ahead, p *plan.Plan, now time.Time) (full, wanted bool) {
	n, served := 0, false
	for _, a := range all {
		if a.waits(now) {
			n++
			served = served || a.spec == p.Spec
		}
	}
	full = n >= p.Pool.Size
	return full, !full || !served && (!p.Sidecar.Layers || settled(all, now))
}

// stays is how long a sandbox with a project's layers keeps its place from other
// projects at least. Those whose jobs come in turn would else take it from each other
// before the next job of any of them comes, and each filling would be for nothing.
const stays = 5 * time.Minute

// settled tells whether the oldest of those that wait has kept its place long enough.
func settled(all []*ahead, now time.Time) bool {
	i := slices.IndexFunc(all, func(a *ahead) bool { return a.waits(now) })
	return i < 0 || now.Sub(all[i].created) >= stays
}

// shrink removes the oldest sandboxes of other kinds until as many wait as the
// pool holds.
func (d *Driver) shrink(ctx context.Context, p *plan.Plan) error {
	all, err := d.allAhead(ctx, "")
	if err != nil {
		return err
	}
	now := time.Now()
	waiting := slices.DeleteFunc(all, func(a *ahead) bool { return !a.waits(now) })
	over := len(waiting) - p.Pool.Size
	var errs []error
	for _, a := range waiting {
		if over <= 0 {
			break
		}
		if a.spec != p.Spec {
			errs = append(errs, d.retire(ctx, a.sandbox))
			over--
		}
	}
	return errors.Join(errs...)
}

// Drain removes every sandbox that no job has taken, and returns how many.
func (d *Driver) Drain(ctx context.Context) (removed int, err error) {
	all, err := d.allAhead(ctx, "")
	if err != nil {
		return 0, err
	}
	bares, err := d.bares(ctx)
	if err != nil {
		return 0, err
	}
	var waiting []string
	for _, a := range all {
		if !a.taken {
			waiting = append(waiting, a.sandbox)
		}
	}
	for _, b := range bares {
		waiting = append(waiting, b.sandbox)
	}
	var errs []error
	for _, one := range waiting {
		if err := d.retire(ctx, one); err != nil {
			errs = append(errs, err)
			continue
		}
		removed++
	}
	return removed, errors.Join(errs...)
}

// retire removes a sandbox unless a job takes it first: it claims it as a job
// would. Should this process die in between, the claim's owner is dead.
func (d *Driver) retire(ctx context.Context, sandbox string) error {
	found, err := d.eng.Ours(ctx, label.Sandbox+"="+sandbox)
	if err != nil || found[sandbox] == nil {
		return err
	}
	var one engine.Object
	for _, c := range found[sandbox].Containers {
		if c.Role == plan.RoleJob {
			return nil // a job has it, or somebody who removes it
		}
		if c.Role == plan.RoleSeat {
			if taken, err := d.retireBare(ctx, sandbox, c); err != nil || !taken {
				return err
			}
		}
		one = c
	}
	if one.Ref != "" {
		c, err := d.eng.Container(ctx, one.Ref)
		if err != nil && !engine.Gone(err) {
			return d.eng.Explain("looking at a sandbox that waits", err)
		}
		if err == nil { // else it is going already
			if blocked, err := d.block(ctx, sandbox, one.Labels[label.Spec], c.Image); err != nil || !blocked {
				return err
			}
		}
	}
	return d.removal.Sandbox(ctx, sandbox)
}

// block creates a container with the name by which a job would claim the
// sandbox, of an image that is there. It is never started. It tells whether nobody had
// that name.
func (d *Driver) block(ctx context.Context, sandbox, spec, image string) (bool, error) {
	self, err := owner.This()
	if err != nil {
		return false, err
	}
	l := label.InSandbox(sandbox, plan.RoleJob)
	l[label.Spec] = spec
	for key, value := range label.Claim(plan.Claim{Job: label.NoJob, Owner: self.String(), Deadline: time.Now()}) {
		l[key] = value
	}
	_, err = d.eng.Create(ctx, engine.Blocked(label.ObjectName(sandbox, plan.RoleJob), image, l))
	if errdefs.IsConflict(err) {
		return false, nil
	}
	return err == nil, d.eng.Explain("taking a sandbox that waits", err)
}
