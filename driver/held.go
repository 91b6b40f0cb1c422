package driver

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"time"

	"gitlab-dind-executor/driver/boot"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/sandbox"
	"gitlab-dind-executor/driver/span"
)

// innerKillBound limits the end of a failed job's own containers, because the job's status
// waits for it.
const innerKillBound = 5 * time.Second

// innerKill ends all containers of an inner daemon. They stay for a look, and none
// restarts.
const innerKill = `c=$(docker ps -aq); [ -z "$c" ] || docker update --restart=no $c; c=$(docker ps -q) && [ -z "$c" ] || docker kill $c`

// Hold keeps a failed job's sandbox for a look inside, up to until, and tells whether there
// was a sandbox. Its containers stay, and nothing runs on in them. Containers in the inner
// daemon are killed. Then all containers are paused, because other processes may be left,
// for example in services. Shell resumes them while somebody looks. Other sandboxes of the
// job are Cleanup's.
//
// A mark with the sandbox's label says until when, and goes with the sandbox. An existing
// mark stays, so a second cleanup changes nothing, even of another version.
func (d *Driver) Hold(ctx context.Context, job string, until time.Time) (bool, error) {
	ctx, end := span.Begin(ctx, "hold the sandbox")
	defer end()
	c, err := d.find.Of(ctx, job)
	if errors.Is(err, sandbox.ErrGone) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if c.Job.State == "running" {
		if err := d.Halt(ctx, c.Job.ID, false); err != nil {
			return false, err
		}
	}
	d.endInner(ctx, c.Sandbox)
	if err := d.Looker.Rest(ctx, c.Sandbox); err != nil {
		return false, err
	}
	known, err := d.roomFor(ctx, c.Sandbox)
	if known || err != nil {
		return known, err
	}
	_, err = d.eng.CreateVolume(ctx, label.ObjectName(c.Sandbox, plan.RoleHeld), label.ForHeld(c.Sandbox, job, until))
	return err == nil, d.eng.Explain("holding the sandbox", err)
}

// endInner kills the containers that a job has started in its daemon. If the daemon does
// not answer, its containers cannot be reached by anybody.
func (d *Driver) endInner(ctx context.Context, sandbox string) {
	sidecar, err := d.find.SidecarIn(ctx, sandbox)
	if err != nil || sidecar.ID == "" {
		return
	}
	c, err := d.eng.Container(ctx, sidecar.ID)
	if err != nil || !c.Running || c.Paused {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, innerKillBound)
	defer cancel()
	_, _ = d.eng.Run(ctx, sidecar.ID, boot.WithClient(boot.Listening(c), innerKill), nil, io.Discard)
}

// EndHeld removes the sandboxes that are still held for a look inside, unless dryRun, and
// lists them. Sandboxes whose time is over are Sweep's.
func (d *Driver) EndHeld(ctx context.Context, now time.Time, dryRun bool) ([]sandbox.Verdict, error) {
	all, err := d.held(ctx)
	if err != nil {
		return nil, err
	}
	var verdicts []sandbox.Verdict
	var errs []error
	for _, s := range all {
		if until, _ := sandbox.HeldUntil(s); !now.Before(until) {
			continue
		}
		v := sandbox.Judged(s, sandbox.Swept, sandbox.HeldOut)
		if !dryRun {
			err := d.removal.Sandbox(ctx, s.Sandbox)
			v.Failed = err != nil
			errs = append(errs, err)
		}
		verdicts = append(verdicts, v)
	}
	return verdicts, errors.Join(errs...)
}

// held returns the held sandboxes. The sandbox whose time ends first comes first.
func (d *Driver) held(ctx context.Context) ([]*engine.Objects, error) {
	found, err := d.eng.Ours(ctx, label.Sandbox)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(found, func(id string, s *engine.Objects) bool {
		_, ok := sandbox.HeldUntil(s)
		return !ok || id == ""
	})
	return slices.SortedFunc(maps.Values(found), func(a, b *engine.Objects) int {
		x, _ := sandbox.HeldUntil(a)
		y, _ := sandbox.HeldUntil(b)
		return x.Compare(y)
	}), nil
}

// mostHeld is the largest number of held sandboxes on an engine, so that pipelines that
// fail again and again, or claim to fail, do not fill the host.
const mostHeld = 10

// roomFor makes room for another held sandbox. It removes first the sandboxes whose time
// ends first. It returns whether this sandbox is held already.
func (d *Driver) roomFor(ctx context.Context, sandbox string) (known bool, err error) {
	all, err := d.held(ctx)
	if err != nil || slices.ContainsFunc(all, func(s *engine.Objects) bool { return s.Sandbox == sandbox }) {
		return err == nil, err
	}
	for _, s := range all[:max(0, len(all)-mostHeld+1)] {
		if err := d.removal.Sandbox(ctx, s.Sandbox); err != nil {
			return false, err
		}
	}
	return false, nil
}

// dropHeld removes the held sandbox whose time ends first, and tells whether there was a
// sandbox to remove. If a removal fails, it tries the next.
func (d *Driver) dropHeld(ctx context.Context) (bool, error) {
	all, err := d.held(ctx)
	if err != nil {
		return false, err
	}
	var errs []error
	for _, s := range all {
		err := d.removal.Sandbox(ctx, s.Sandbox)
		if err == nil {
			return true, nil
		}
		errs = append(errs, err)
	}
	return false, errors.Join(errs...)
}
