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
	"gitlab-dind-executor/group"
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
	// Ready is false while it is made, and for one whose containers have ended.
	Ready bool
}

// Pool lists the sandboxes that no job has taken, the oldest first.
func (d *Driver) Pool(ctx context.Context) ([]Waiting, error) {
	all, err := d.allAhead(ctx, "")
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
	return list, nil
}

// Fill makes sandboxes of the plan's kind until as many wait as its pool holds.
// Where the pool is full of other kinds, one of this kind takes the oldest's
// place. Where layers are cached it makes only those that have some of an earlier
// job's: an empty one would keep the next job from them. admit says whether there is room for one more. It returns how many it
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
		all, err := d.allAhead(ctx, "")
		if err != nil {
			return made, err
		}
		full, served := occupancy(all, p, time.Now())
		if full && served {
			return made, nil
		}
		if p.Sidecar.Layers {
			if free, err := d.Layers.AnyIdle(ctx, p.Claim.Scope); err != nil || !free {
				return made, err
			}
		}
		if err := admit(ctx); err != nil {
			return made, err
		}
		if _, err := d.makeAhead(ctx, p.In(label.NewSandboxID())); errors.Is(err, errNoLayers) {
			return made, nil
		} else if err != nil {
			return made, err
		}
		made++
		if full {
			return made, d.shrink(ctx, p)
		}
	}
	return made, nil
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

// occupancy tells whether as many wait as the pool holds, and whether one of the
// plan's kind is among them.
func occupancy(all []*ahead, p *plan.Plan, now time.Time) (full, served bool) {
	n := 0
	for _, a := range all {
		if a.waits(now) {
			n++
			served = served || a.spec == p.Spec
		}
	}
	return n >= p.Pool.Size, served
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
	var errs []error
	for _, a := range all {
		if a.taken {
			continue
		}
		if err := d.retire(ctx, a.sandbox); err != nil {
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
		one = c
	}
	if one.Ref != "" {
		taken, err := d.block(ctx, sandbox, one)
		if err != nil || !taken {
			return err
		}
	}
	return d.removal.Sandbox(ctx, sandbox)
}

// block creates a container with the name by which a job would claim the
// sandbox, of the image of one that is there. It is never started.
func (d *Driver) block(ctx context.Context, sandbox string, of engine.Object) (bool, error) {
	c, err := d.eng.Container(ctx, of.Ref)
	if engine.Gone(err) {
		return true, nil // it is going already
	}
	if err != nil {
		return false, d.eng.Explain("looking at a sandbox that waits", err)
	}
	self, err := owner.This()
	if err != nil {
		return false, err
	}
	l := label.InSandbox(sandbox, plan.RoleJob)
	l[label.Spec] = of.Labels[label.Spec]
	for key, value := range label.Claim(plan.Claim{Job: label.NoJob, Owner: self.String(), Deadline: time.Now()}) {
		l[key] = value
	}
	_, err = d.eng.Create(ctx, engine.Blocked(label.ObjectName(sandbox, plan.RoleJob), c.Image, l))
	if errdefs.IsConflict(err) {
		return false, nil
	}
	return err == nil, d.eng.Explain("taking a sandbox that waits", err)
}

// makeAhead makes a sandbox without a job. Its sidecar starts last, so one with a
// sidecar that runs has all the rest. Until it is complete its owner is this
// process.
func (d *Driver) makeAhead(ctx context.Context, p *plan.Plan) (ready Ready, err error) {
	if err := d.eng.Greet(ctx); err != nil {
		return Ready{}, err
	}
	prep := d.preparation(p, func(string) {})
	defer func() {
		if err != nil {
			ctx, cancel := d.bounds.Clearing(ctx)
			defer cancel()
			err = errors.Join(err, d.removal.Sandbox(ctx, p.Sandbox))
		}
	}()
	until := label.ForAhead(time.Now().Add(p.Pool.MaxAge))
	helped := make(chan struct{})
	g, gctx := group.WithContext(ctx)
	g.Go(func() error { return prep.anchor(gctx, until) })
	g.Go(func() error { return prep.certify(gctx) })
	relayed := make(chan struct{})
	g.Go(func() error {
		defer close(relayed)
		return prep.relay(gctx)
	})
	g.Go(func() error {
		return prep.container(gctx, p.Helper, label.ObjectName(p.Sandbox, plan.RoleHelper), label.ForSandbox(p, plan.RoleHelper),
			func(ctx context.Context, id string) error {
				defer close(helped)
				prep.placeCAs(ctx, p)
				return d.start(p.Helper)(ctx, id)
			})
	})
	g.Go(func() (err error) {
		l := label.ForSidecar(p)
		l[label.Deadline] = until[label.Deadline]
		ready, err = prep.daemon(gctx, l, func(ctx context.Context, id string) (Ready, error) {
			for _, there := range []chan struct{}{helped, relayed} {
				select {
				case <-there:
				case <-ctx.Done():
					return Ready{}, ctx.Err()
				}
			}
			return prep.startSidecar(ctx, id)
		})
		return err
	})
	err = g.Wait() // before ready is read
	return ready, err
}
