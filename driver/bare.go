package driver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/containerd/errdefs"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/group"
)

const (
	// bareSlack is the last part of a bare sandbox's life, in which no job takes it: a
	// sweep may already look at it.
	bareSlack = time.Minute
	// spareSubnets is the number of free subnets that FillBare leaves to jobs.
	spareSubnets = 32
	// seatMemory and seatThreads limit a seat, in bytes and in threads. A seat does
	// nothing.
	seatMemory  = 64 << 20
	seatThreads = 16
)

// bare is a bare sandbox that had no job when it was listed.
type bare struct {
	sandbox, kind string
	// seat is the id of the seat's container, and image the id of the image of seat and
	// helper. imageName is for people.
	seat, image, imageName string
	subnet                 netip.Prefix
	running                bool
	created, until         time.Time
}

// serves tells whether a job of a kind may take the sandbox.
func (b *bare) serves(kind string, now time.Time) bool {
	return b.kind == kind && b.running && b.subnet.IsValid() && now.Add(bareSlack).Before(b.until)
}

// bares lists the bare sandboxes without a job, the oldest first. The engine finds them by
// name, so the list does not grow with the number of running jobs.
func (d *Driver) bares(ctx context.Context) ([]*bare, error) {
	if err := d.eng.Greet(ctx); err != nil {
		return nil, err
	}
	list, err := d.eng.Named(ctx, label.BareNames, label.Bare)
	if err != nil {
		return nil, d.eng.Explain("looking for bare sandboxes", err)
	}
	return baresOf(list), nil
}

func baresOf(list []engine.Container) []*bare {
	var found []*bare
	for _, c := range list {
		id := c.Labels[label.Sandbox]
		if plan.Role(c.Labels[label.Role]) != plan.RoleSeat || c.Name != label.BareName(id) {
			continue
		}
		b := &bare{
			sandbox: id, kind: c.Labels[label.Bare], seat: c.ID, image: c.ImageID, imageName: label.ImageName(c.Labels, c.Image),
			running: c.State == engine.Running,
		}
		b.subnet, _ = netip.ParsePrefix(c.Labels[label.Subnet])
		b.created, _ = time.Parse(time.RFC3339, c.Labels[label.Created])
		b.until, _ = time.Parse(time.RFC3339, c.Labels[label.Deadline])
		found = append(found, b)
	}
	slices.SortFunc(found, func(a, b *bare) int { return cmp.Or(a.created.Compare(b.created), cmp.Compare(a.sandbox, b.sandbox)) })
	return found
}

// beginBare takes a waiting bare sandbox of the plan's kind, if there is one, and the job
// begins in it. Unusable bare sandboxes stay until the next FillBare removes them.
func (prep *preparation) beginBare(ctx context.Context) error {
	d, p := prep.d, prep.p
	if p.Bare.Size == 0 {
		return nil
	}
	all, err := d.bares(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	waiting := slices.DeleteFunc(all, func(b *bare) bool { return !b.serves(p.Bare.Kind, now) })
	if len(waiting) == 0 {
		return nil
	}
	img, err := prep.images.Ensure(ctx, p.Helper.Image)
	if err != nil {
		return err
	}
	if prep.cache.isNew, err = prep.cacheIsNew(ctx); err != nil {
		return err
	}
	rand.Shuffle(len(waiting), func(i, j int) { waiting[i], waiting[j] = waiting[j], waiting[i] })
	for _, b := range waiting {
		if b.image != img.ID {
			continue
		}
		took, err := d.takeBare(ctx, b)
		if err != nil {
			return err
		}
		if took {
			prep.p, prep.bare = p.In(b.sandbox), b
			return nil
		}
	}
	return nil
}

// takeBare takes a bare sandbox from all other jobs by renaming its seat. It returns false
// if another job was first. A sandbox without a running helper is removed, and the result
// is false, too.
func (d *Driver) takeBare(ctx context.Context, b *bare) (bool, error) {
	uncut, cancel := d.eng.Uncut(ctx)
	defer cancel()
	switch err := d.eng.Rename(uncut, label.BareName(b.sandbox), label.TakenName(b.sandbox, time.Now())); {
	case engine.Gone(err), errdefs.IsConflict(err):
		return false, nil
	case err != nil:
		return false, d.eng.Explain("taking a bare sandbox", err)
	}
	helper, err := d.eng.Container(ctx, label.ObjectName(b.sandbox, plan.RoleHelper))
	if err == nil && helper.Running {
		d.eng.Expect(b.seat, helper.ID)
		return true, nil
	}
	return false, d.dropBare(ctx, b.sandbox)
}

// dropBare removes a bare sandbox that this process has taken. The removal has a bound of
// its own, and a sweep finds the rest.
func (d *Driver) dropBare(ctx context.Context, sandbox string) error {
	ctx, cancel := d.bounds.Clearing(ctx)
	defer cancel()
	return d.removal.Sandbox(ctx, sandbox)
}

// leaveBare removes the bare sandbox of a failed prepare if it holds no job container yet,
// because no cleanup would find such a sandbox. It joins its own error to err.
func (prep *preparation) leaveBare(ctx context.Context, err error) error {
	if err == nil || prep.bare == nil || prep.claimed.Load() {
		return err
	}
	return errors.Join(err, prep.d.dropBare(ctx, prep.bare.sandbox))
}

// FillBare makes bare sandboxes of the plan's kind until as many wait as the settings say,
// and returns how many it made. If the waiting sandboxes are all of other kinds, a new
// sandbox replaces the oldest. Sandboxes that no job may take any more are removed. With
// fewer than spareSubnets free subnets it stops, and leaves them to jobs.
func (d *Driver) FillBare(ctx context.Context, p *plan.Plan) (made int, err error) {
	if p.Bare.Size == 0 {
		return 0, nil
	}
	unlock, err := d.locks.Lock(ctx, "bare", "making bare sandboxes", "gitlab-dind-executor pool status shows what waits")
	if err != nil {
		return 0, err
	}
	defer unlock()
	own, others, err := d.sortBares(ctx, p)
	if err != nil {
		return 0, err
	}
	for len(own)+made == 0 || len(own)+len(others)+made < p.Bare.Size {
		next := p.In(label.NewSandboxID())
		next.Spec = "bare-" + p.Bare.Kind // matches no sandbox that has a daemon
		if len(p.Network.Subnets(next.Sandbox, spareSubnets)) < spareSubnets {
			return made, nil
		}
		if err := d.makeBare(ctx, next); err != nil {
			return made, err
		}
		made++
	}
	var errs []error
	for over := len(own) + len(others) + made - p.Bare.Size; over > 0 && len(others) > 0; over-- {
		errs = append(errs, d.retire(ctx, others[0].sandbox))
		others = others[1:]
	}
	return made, errors.Join(errs...)
}

// sortBares returns the bare sandboxes for jobs of the plan's kind, and the bare sandboxes
// for jobs of other kinds. It removes all others.
func (d *Driver) sortBares(ctx context.Context, p *plan.Plan) (own, others []*bare, err error) {
	all, err := d.bares(ctx)
	if err != nil {
		return nil, nil, err
	}
	img, err := d.eng.Image(ctx, p.Helper.Image)
	if err != nil {
		return nil, nil, d.eng.Explain("looking for the helper's image", err)
	}
	var errs []error
	now := time.Now()
	for _, b := range all {
		switch {
		case !b.serves(b.kind, now), b.kind == p.Bare.Kind && b.image != img.ID:
			errs = append(errs, d.retire(ctx, b.sandbox))
		case b.kind == p.Bare.Kind:
			own = append(own, b)
		default:
			others = append(others, b)
		}
	}
	return own, others, errors.Join(errs...)
}

// makeBare makes a bare sandbox. At the end it gives the seat the name by which jobs find
// it. Until then this process is its owner.
func (d *Driver) makeBare(ctx context.Context, p *plan.Plan) (err error) {
	prep := d.preparation(p, func(string) {})
	defer func() {
		if err != nil {
			err = errors.Join(err, d.dropBare(ctx, p.Sandbox))
		}
	}()
	until := label.ForAhead(time.Now().Add(p.Bare.MaxAge))
	until[label.Bare] = p.Bare.Kind
	g, gctx := group.WithContext(ctx)
	g.Go(func() error { return prep.anchor(gctx, until) })
	g.Go(func() error {
		return prep.container(gctx, p.Helper, label.ObjectName(p.Sandbox, plan.RoleHelper), label.ForSandbox(p, plan.RoleHelper), d.start(p.Helper))
	})
	g.Go(func() error { return prep.seat(gctx, until) })
	if err := g.Wait(); err != nil {
		return err
	}
	return d.eng.Explain("offering a bare sandbox", d.eng.Rename(ctx, label.ObjectName(p.Sandbox, plan.RoleSeat), label.BareName(p.Sandbox)))
}

// seat makes and starts the container that holds the sidecar's place in the network.
func (prep *preparation) seat(ctx context.Context, more map[string]string) error {
	d, p := prep.d, prep.p
	img, err := prep.place(ctx, p.Helper)
	if err != nil {
		return err
	}
	c, l := p.Seat(prep.subnet), label.ForSandbox(p, plan.RoleSeat)
	for key, value := range more {
		l[key] = value
	}
	l[label.Subnet] = prep.subnet.String()
	id, err := d.eng.Create(ctx, engine.Seat{
		Name: label.ObjectName(p.Sandbox, plan.RoleSeat), Image: img.ID, Of: img, Labels: label.Called(l, c.Image), Command: c.Entrypoint,
		Network: label.NetworkName(p.Sandbox), Address: c.IP, Address6: c.IP6,
		Hostname: c.Hostname, Aliases: c.Aliases, ExtraHosts: c.ExtraHosts, DNS: c.DNS, DNSSearch: c.DNSSearch,
		Memory: seatMemory, Threads: seatThreads,
	}.Spec())
	if err != nil {
		return err
	}
	if err := d.eng.Start(ctx, id); err != nil {
		return fmt.Errorf("starting the seat of a sidecar: %w", err)
	}
	return nil
}

// giveSubnets removes the bare sandboxes without a job when a job finds no free subnet. It
// returns the number of removed sandboxes.
func (d *Driver) giveSubnets(ctx context.Context) (given int) {
	all, _ := d.bares(ctx) // the missing subnet is the better error
	for _, b := range all {
		if d.retire(ctx, b.sandbox) == nil {
			given++
		}
	}
	return given
}

// retireBare takes a bare sandbox as a job would, in order to remove it. It returns false
// when a job was first.
func (d *Driver) retireBare(ctx context.Context, sandbox string, seat engine.Object) (bool, error) {
	if !label.IsBare(seat.Name) {
		return true, nil
	}
	err := d.eng.Rename(ctx, seat.Name, label.TakenName(sandbox, time.Now()))
	if engine.Gone(err) || errdefs.IsConflict(err) {
		return false, nil
	}
	return err == nil, d.eng.Explain("taking a bare sandbox", err)
}
