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

// Waiting is a sandbox made ahead that no job has taken.
type Waiting struct {
	Sandbox string `json:"sandbox"`
	// Image is the name of the sidecar's image.
	Image string `json:"image"`
	// Kind is the hash of everything that a job's plan must share with the sandbox.
	Kind    string    `json:"kind"`
	Created time.Time `json:"created"`
	// Until is the time after which no job takes the sandbox.
	Until time.Time `json:"until"`
	// Bare says that the sandbox has no docker daemon.
	Bare bool `json:"bare"`
	// Ready is false while the sandbox is made, and after its containers have ended.
	Ready bool `json:"ready"`
}

// Pool lists the sandboxes that no job has taken, with a daemon or bare, each the oldest
// first.
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

// Fill makes sandboxes of the plan's kind until as many wait as the pool holds, and returns
// how many it made. It makes them in turn, and lets jobs of this host go first. If the pool
// is full of other kinds, a new sandbox replaces the oldest. With cached layers, Fill makes
// only sandboxes with layers of earlier jobs: an empty sandbox would keep the next job from
// its layers. admit returns an error if the host has no room for another sandbox.
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

// fillOne makes a sandbox of the plan's kind, if another is wanted. It returns whether it
// made a sandbox.
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

// dropOlder removes waiting sandboxes of the plan's kind with outdated images: no job takes
// them.
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

// demand tells whether the pool is full, and whether another sandbox of the plan's kind is
// wanted. A sandbox is wanted where there is room. In a full pool it is wanted if none of
// its kind waits and the oldest has waited for long enough.
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

// stays is the shortest time that a sandbox with a project's layers keeps its place from
// other projects. Otherwise projects whose jobs alternate would take the place from each
// other before their next job comes, and every filling would be wasted.
const stays = 5 * time.Minute

// settled tells whether the oldest waiting sandbox has kept its place for long enough.
func settled(all []*ahead, now time.Time) bool {
	i := slices.IndexFunc(all, func(a *ahead) bool { return a.waits(now) })
	return i < 0 || now.Sub(all[i].created) >= stays
}

// shrink removes the oldest sandboxes of other kinds until no more wait than the pool
// holds.
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

// Drain removes every sandbox that no job has taken, and returns the number removed.
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

// retire removes a sandbox unless a job takes it first. It claims the sandbox as a job
// would. If this process dies in between, the claim's owner is dead and a sweep goes on.
func (d *Driver) retire(ctx context.Context, sandbox string) error {
	found, err := d.eng.Ours(ctx, label.Sandbox+"="+sandbox)
	if err != nil || found[sandbox] == nil {
		return err
	}
	var one engine.Object
	for _, c := range found[sandbox].Containers {
		if c.Role == plan.RoleJob {
			return nil // a job has the sandbox, or another process removes it
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
		if err == nil { // otherwise the container is already going
			if blocked, err := d.block(ctx, sandbox, one.Labels[label.Spec], c.Image); err != nil || !blocked {
				return err
			}
		}
	}
	return d.removal.Sandbox(ctx, sandbox)
}

// block creates a container with the name by which a job would claim the sandbox, and never
// starts it. image must exist on the engine. block returns false if the name was taken.
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
