package driver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"golang.org/x/sync/errgroup"

	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

// The engine may still be busy with an object; each round waits longer, all of
// them 6 s. Tests shorten it.
const removeRounds = 8

var removeFirstGap = 50 * time.Millisecond

// Cleanup removes every sandbox of a job. It is idempotent: what is not there
// is removed. Run it with a context of its own.
func (d *Driver) Cleanup(ctx context.Context, job string) error {
	sandboxes, err := d.ofJob(ctx, job)
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range sandboxes {
		errs = append(errs, d.removeSandbox(ctx, id))
	}
	return errors.Join(errs...)
}

// engineAbsence is what a restart of an engine takes at most, engineGap the time
// between two attempts to reach it. Variables for tests alone.
var (
	engineAbsence = 20 * time.Second
	engineGap     = 500 * time.Millisecond
)

// CleanupPatiently is Cleanup for the hook, after which nobody comes: it waits
// for an engine that restarts, but no longer, since the job's status waits too.
func (d *Driver) CleanupPatiently(ctx context.Context, job string) error {
	end := time.Now().Add(engineAbsence)
	var absent error
	for {
		err := d.Cleanup(ctx, job)
		if absent != nil && errors.Is(err, context.DeadlineExceeded) {
			return absent // which says more than that the time is over
		}
		if err == nil || !unreachable(err) || time.Now().After(end) {
			return err
		}
		absent = err
		wait := time.NewTimer(engineGap)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return err
		}
	}
}

// removeSandbox removes all that carries a sandbox's label and looks again
// until nothing does: a request whose client died may still be carried out
// after the first look.
func (d *Driver) removeSandbox(ctx context.Context, id string) error {
	gap := removeFirstGap
	var last error
	for round := range removeRounds {
		found, err := d.list(ctx, labelled(labelSandbox+"="+id))
		if err != nil {
			return err
		}
		s := found[id]
		if s == nil {
			return nil
		}
		if last = d.remove(ctx, s); last == nil {
			continue // the look that finds nothing ends it
		}
		if round == removeRounds-1 {
			break
		}
		wait := time.NewTimer(gap)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return errors.Join(last, ctx.Err())
		}
		gap *= 2
	}
	if last == nil {
		last = errors.New("objects keep appearing")
	}
	return fault.System(fmt.Errorf("removing sandbox %s: %w", id, last),
		"gitlab-dind-executor gc removes what is left")
}

// remove removes what was listed, in the order that the names and labels rely
// on: the job container after the others, or a used sandbox would look warm;
// then volumes; the network, which is the anchor, last.
func (d *Driver) remove(ctx context.Context, s *sandboxObjects) error {
	var claims, others []object
	for _, c := range s.containers {
		if c.role == plan.RoleJob {
			claims = append(claims, c)
		} else {
			others = append(others, c)
		}
	}
	var g errgroup.Group
	g.Go(func() error { return each(ctx, others, d.removeContainer) })
	g.Go(func() error { return each(ctx, claims, d.endContainer) })
	if err := g.Wait(); err != nil {
		return err
	}
	steps := []struct {
		objects []object
		remove  func(context.Context, object) error
	}{
		{claims, d.removeContainer},
		{s.volumes, d.removeVolume},
		{s.networks, d.removeNetwork},
	}
	for _, step := range steps {
		if err := each(ctx, step.objects, step.remove); err != nil {
			return err
		}
	}
	return nil
}

// each does one thing to all objects side by side and joins the errors.
func each(ctx context.Context, objects []object, do func(context.Context, object) error) error {
	errs := make([]error, len(objects))
	var g errgroup.Group
	g.SetLimit(8)
	for i, o := range objects {
		g.Go(func() error {
			errs[i] = do(ctx, o)
			return nil
		})
	}
	_ = g.Wait() // the errors are in errs
	return errors.Join(errs...)
}

// endContainer ends what runs in a container while others are removed; its own
// removal follows and tells of faults.
func (d *Driver) endContainer(ctx context.Context, o object) error {
	if o.running {
		_ = d.api.ContainerKill(ctx, o.ref, "KILL")
	}
	return nil
}

func (d *Driver) removeContainer(ctx context.Context, o object) error {
	err := d.api.ContainerRemove(ctx, o.ref, container.RemoveOptions{Force: true, RemoveVolumes: true})
	switch {
	case err == nil, gone(err):
		return nil
	case errdefs.IsConflict(err):
		// Somebody else is removing it: the next look tells.
		return d.explain("removing container "+o.name, d.waitRemoved(ctx, o.ref))
	}
	return d.explain("removing container "+o.name, err)
}

// waitRemoved waits until a container that is being removed is gone.
func (d *Driver) waitRemoved(ctx context.Context, ref string) error {
	ctx, cancel := context.WithTimeout(ctx, endWait)
	defer cancel()
	exits, errs := d.api.ContainerWait(ctx, ref, container.WaitConditionRemoved)
	select {
	case <-exits:
		return nil
	case err := <-errs:
		if gone(err) {
			return nil
		}
		return err
	}
}

func (d *Driver) removeVolume(ctx context.Context, o object) error {
	if err := d.api.VolumeRemove(ctx, o.ref, true); !gone(err) {
		return d.explain("removing volume "+o.name, err)
	}
	return nil
}

func (d *Driver) removeNetwork(ctx context.Context, o object) error {
	if err := d.api.NetworkRemove(ctx, o.ref); !gone(err) {
		return d.explain("removing network "+o.name, err)
	}
	return nil
}
