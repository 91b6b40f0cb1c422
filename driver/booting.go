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

// Booted is the inner daemon of a job, as the first script finds it.
type Booted struct {
	// Docker is its version; empty if not known.
	Docker string
	// Booting says that prepare did not wait for it.
	Booting bool
}

// AwaitDaemon waits until a job's inner daemon answers, where prepare has left
// it booting: it boots while sources are fetched. bound is what the wait may
// take, twice on the layers of earlier jobs, and given what the pipeline has said of
// the sidecar. queues is called, at most once, when what connects to the daemon
// already waits in its queue, and soon gets its answer. say receives lines for the
// job log.
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
		return Booted{}, err // the script tells what it misses
	}
	if plan.LayersState(sidecar.Labels[label.Layers]).Earlier() {
		queues = nil // they may be damaged, and who is in the queue would be thrown out with it
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
