package driver

import (
	"context"
	"errors"
	"fmt"

	"github.com/containerd/errdefs"

	"gitlab-dind-executor/driver/bounds"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/group"
)

// The engine may still be busy with an object; each round waits longer, all of
// them 6 s. Tests shorten it.
const removeRounds = 8

// stuckRounds is how often a volume is tried that resists its removal: a mount that
// is just going can be the cause.
const stuckRounds = 2

// removeSandbox removes all that carries a sandbox's label and looks again
// until nothing does: a request whose client died may still be carried out
// after the first look. orphaned is called once the network is gone.
func (d *Driver) removeSandbox(ctx context.Context, id string, orphaned func()) error {
	gap := d.bounds.RemoveFirstGap
	var last error
	for round := range removeRounds {
		found, err := d.eng.Ours(ctx, label.Sandbox+"="+id)
		if err != nil {
			return err
		}
		s := found[id]
		if s == nil {
			orphaned()
			return nil
		}
		if last = d.remove(ctx, s, orphaned); last == nil {
			continue // the look that finds nothing ends it
		}
		if round == removeRounds-1 || round >= stuckRounds-1 && allStuck(last) {
			break
		}
		if !bounds.Pause(ctx, gap) {
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

// remove removes what was listed. First everything in it is ended, then goes
// the network, and with it the sandbox: from here on what is left is an orphan,
// which any sweep removes, and so is what a request under way still creates.
// The job container goes after the network, or a used sandbox would look warm;
// volumes, which can take long, go last.
func (d *Driver) remove(ctx context.Context, s *engine.Objects, orphaned func()) error {
	var claims, others []engine.Object
	for _, c := range s.Containers {
		if c.Role == plan.RoleJob {
			claims = append(claims, c)
		} else {
			others = append(others, c)
		}
	}
	_ = each(ctx, s.Containers, d.endContainer) // the removals tell of faults
	var g group.Group
	g.Go(func() error { return each(ctx, others, d.removeContainer) })
	g.Go(func() error {
		if err := each(ctx, s.Networks, d.removeNetwork); err != nil {
			return err
		}
		orphaned()
		return each(ctx, claims, d.removeContainer)
	})
	// A volume can be removed only when none of its containers is left. What
	// cannot be removed keeps no volume but its own.
	err := g.Wait()
	return errors.Join(err, each(ctx, s.Volumes, d.removeVolume))
}

// each does one thing to all objects side by side and joins the errors.
func each(ctx context.Context, objects []engine.Object, do func(context.Context, engine.Object) error) error {
	errs := make([]error, len(objects))
	var g group.Group
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

// endContainer ends what runs in a container, so that its network can go. What
// does not run any more is fine.
func (d *Driver) endContainer(ctx context.Context, o engine.Object) error {
	if !o.Running {
		return nil
	}
	return d.eng.Kill(ctx, o.Ref, "KILL")
}

func (d *Driver) removeContainer(ctx context.Context, o engine.Object) error {
	err := d.eng.Remove(ctx, o.Ref)
	switch {
	case err == nil, engine.Gone(err):
		return nil
	case errdefs.IsConflict(err):
		// Somebody else is removing it: the next look tells.
		ctx, cancel := context.WithTimeout(ctx, d.bounds.EndWait)
		defer cancel()
		return d.eng.Explain("removing container "+o.Name, d.waitRemoved(ctx, o.Ref))
	}
	return d.eng.Explain("removing container "+o.Name, err)
}

// waitRemoved waits until a container that is being removed is gone.
func (d *Driver) waitRemoved(ctx context.Context, ref string) error {
	exits, errs := d.eng.Wait(ctx, ref, engine.Removed)
	select {
	case <-exits:
		return nil
	case err := <-errs:
		if engine.Gone(err) {
			return nil
		}
		return err
	}
}

// removeVolume removes a volume that no container should have any more.
func (d *Driver) removeVolume(ctx context.Context, o engine.Object) error {
	end, err := d.dropVolume(ctx, o.Ref)
	if end == stillUsed {
		return fault.System(errors.New("removing volume "+o.Name+": a container still has it"), "")
	}
	return err
}

func (d *Driver) removeNetwork(ctx context.Context, o engine.Object) error {
	if err := d.eng.RemoveNetwork(ctx, o.Ref); !engine.Gone(err) {
		return d.eng.Explain("removing network "+o.Name, err)
	}
	return nil
}
