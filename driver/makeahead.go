package driver

import (
	"context"
	"errors"
	"time"

	"gitlab-dind-executor/driver/boot"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/group"
)

// makeAhead makes a sandbox without a job. The sidecar starts last, so a running sidecar
// means a complete sandbox. Until then this process is the sandbox's owner.
//
// y lets jobs go first between the steps. begun is called when other processes can see the
// sandbox: from then on a job may take it, and waits for the rest. After a claim all steps
// follow at once, except the wait for the daemon, which the job does itself.
func (d *Driver) makeAhead(ctx context.Context, p *plan.Plan, y *yielding, begun func()) (ready Ready, err error) {
	if err := d.eng.Greet(ctx); err != nil {
		return Ready{}, err
	}
	prep := d.preparation(p, func(string) {})
	defer func() {
		if err != nil {
			ctx, cancel := d.bounds.Clearing(ctx)
			defer cancel()
			err = errors.Join(err, d.retireFailed(ctx, prep, err))
		}
	}()
	watching, stop := context.WithCancel(ctx)
	defer stop()
	until := label.ForAhead(time.Now().Add(p.Pool.MaxAge))
	helped := make(chan struct{})
	g, gctx := group.WithContext(ctx)
	prep.seen = func(ctx context.Context) {
		begun()
		go d.watchClaim(watching, p.Sandbox, y.taken)
		y.yield(ctx)
	}
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
				y.yield(ctx)
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
			y.yield(ctx)
			return prep.startAhead(ctx, id, y)
		})
		return err
	})
	err = g.Wait() // ready is complete only now
	return ready, err
}

// startAhead starts the sidecar of a sandbox that is made ahead. It returns when the daemon
// answers, or when a job has taken the sandbox.
func (prep *preparation) startAhead(ctx context.Context, id string, y *yielding) (Ready, error) {
	if err := prep.startWithFiles(ctx, id); err != nil {
		return Ready{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, prep.sidecar.ReadyTimeout, boot.ErrNotReady)
	defer cancel()
	asking, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-y.taken:
			stop()
		case <-asking.Done():
		}
	}()
	docker, err := prep.d.boots.Wait(asking, id, prep.p, prep.certs)
	if y.isTaken() {
		return Ready{Booting: true}, nil
	}
	return Ready{Docker: docker}, err
}

// retireFailed removes a sandbox whose making has failed, unless a job has taken the
// sandbox: then the job removes it. If no daemon comes up on a cached data root, the data
// root is marked as damaged before its lease ends.
func (d *Driver) retireFailed(ctx context.Context, prep *preparation, why error) error {
	p := prep.p
	img, err := d.eng.Image(ctx, p.Helper.Image)
	if err != nil {
		return err // a sweep finds the rest
	}
	if blocked, err := d.block(ctx, p.Sandbox, p.Spec, img.ID); err != nil || !blocked {
		return err
	}
	var broken *boot.Broken
	if errors.As(why, &broken) && prep.sidecar.DataVolume != "" {
		if v, err := d.eng.Volume(ctx, prep.sidecar.DataVolume); err == nil {
			_ = d.Layers.MarkState(ctx, &v, label.DataDamaged) // without the mark the next daemon finds the damage
		}
	}
	return d.removal.Sandbox(ctx, p.Sandbox)
}
