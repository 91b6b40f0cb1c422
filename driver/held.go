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

// innerKillBound is what ending a failed job's own containers may take: the job's
// status waits for it.
const innerKillBound = 5 * time.Second

// innerKill ends all containers of an inner daemon. They stay to be looked at, and
// none starts again by itself.
const innerKill = `c=$(docker ps -aq); [ -z "$c" ] || docker update --restart=no $c; c=$(docker ps -q) && [ -z "$c" ] || docker kill $c`

// Hold leaves a failed job's sandbox until then for a look inside, and tells
// whether there was one. Its containers stay, and nothing runs on in them: what the
// job has started in its daemon is ended, and then all is paused, since a job may
// have left more, as in its services. Shell lets it go on while somebody looks.
// Other sandboxes of the job are Cleanup's.
//
// A mark says until when: it carries the sandbox's label and goes with it. One that
// is there already is left, so a second cleanup changes nothing, whichever version
// did the first.
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

// endInner ends what a job has started in its daemon. A daemon that does not
// answer runs nothing that one could reach.
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

// EndHeld removes the sandboxes that are still held for a look inside, unless
// dryRun, and lists them; the others are Sweep's.
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

// held are the held sandboxes, those first whose time ends first.
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

// mostHeld bounds how many sandboxes are held on an engine: pipelines that fail
// again and again, or say so, fill no host.
const mostHeld = 10

// roomFor makes room for one more held sandbox: those go whose time ends first. It
// tells whether the sandbox is held already.
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

// dropHeld removes the held sandbox whose time ends first, and tells whether there
// was one. Behind one that cannot be removed it tries the next.
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
