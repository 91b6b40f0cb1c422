package driver

import (
	"context"
	"errors"
	"time"

	"gitlab-dind-executor/driver/boot"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/sandbox"
)

// Booted describes the inner daemon of a job when its first script begins.
type Booted struct {
	// Docker is the daemon's version; empty if not known.
	Docker string
	// Booting says that prepare did not wait for the daemon.
	Booting bool
}

// AwaitDaemon waits until a job's inner daemon answers. It returns at once if prepare has
// already waited. The daemon boots while sources are fetched.
//
// bound limits the wait; after a failed boot on layers of earlier jobs there is a second
// wait. given is the pipeline's part of the sidecar. queues is called at most once: when
// connections to the daemon already wait in its queue and soon get an answer. say receives
// lines for the job log.
func (d *Driver) AwaitDaemon(ctx context.Context, job string, bound time.Duration, given plan.Given, queues func(), say func(string)) (Booted, error) {
	if err := d.eng.Greet(ctx); err != nil {
		return Booted{}, err
	}
	found, err := d.find.Of(ctx, job)
	if errors.Is(err, sandbox.ErrGone) || err == nil && found.Job.Labels[label.Booting] == "" {
		return Booted{}, nil
	}
	if err != nil {
		return Booted{}, err
	}
	sandbox := found.Sandbox
	sidecar, err := d.find.SidecarIn(ctx, sandbox)
	if err != nil || sidecar.ID == "" {
		return Booted{}, err // the script reports the missing daemon
	}
	if plan.LayersState(sidecar.Labels[label.Layers]).Earlier() {
		queues = nil // layers may be damaged, and a new sidecar would drop the connections in the queue
	}
	wait := func(ctx context.Context, sidecar string) (Ready, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, bound, boot.ErrNotReady)
		defer cancel()
		docker, err := d.boots.Await(ctx, sandbox, sidecar, given, queues)
		return Ready{Docker: docker}, err
	}
	ready, err := wait(ctx, sidecar.ID)
	if plan.LayersState(sidecar.Labels[label.Layers]).Earlier() {
		ready, err = d.withoutDamaged(ctx, sandbox, sidecar.ID, err, ready, say, wait)
	}
	return Booted{Docker: ready.Docker, Booting: true}, err
}
