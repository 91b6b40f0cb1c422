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

// makeAhead makes a sandbox without a job. Its sidecar starts last, so one with a
// sidecar that runs has all the rest. Until it is complete its owner is this
// process. y lets jobs go first between the steps, and begun is called when others
// can see the sandbox: from then on a job may take it, which waits for the rest. Then
// all goes on at once, but for the wait for the daemon, which is the job's.
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
	err = g.Wait() // before ready is read
	return ready, err
}

// startAhead starts the sidecar of a sandbox that is made ahead, and waits until its
// daemon answers or a job has taken the sandbox.
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

// retireFailed removes a sandbox whose making has failed, unless a job has taken it:
// that sees to it itself. A cached data root on which no daemon comes up gets its mark
// before its lease ends.
func (d *Driver) retireFailed(ctx context.Context, prep *preparation, why error) error {
	p := prep.p
	img, err := d.eng.Image(ctx, p.Helper.Image)
	if err != nil {
		return err // a sweep finds what is left
	}
	if blocked, err := d.block(ctx, p.Sandbox, p.Spec, img.ID); err != nil || !blocked {
		return err
	}
	var broken *boot.Broken
	if errors.As(why, &broken) && prep.sidecar.DataVolume != "" {
		if v, err := d.eng.Volume(ctx, prep.sidecar.DataVolume); err == nil {
			_ = d.Layers.MarkState(ctx, &v, label.DataDamaged) // else the next daemon finds out
		}
	}
	return d.removal.Sandbox(ctx, p.Sandbox)
}
