package removal

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/containerd/errdefs"

	"gitlab-dind-executor/driver/bounds"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/host"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/group"
)

// The engine may still be busy with an object; each round waits longer, all of
// them 6 s.
const removeRounds = 8

// StuckRounds is how often a volume is tried that resists its removal: a mount that
// is just going can be the cause.
const StuckRounds = 2

// Remover removes what is ours on an engine.
type Remover struct {
	eng    *engine.Engine
	bounds *bounds.Bounds
	// locks let one process at a time make the image of this program.
	locks *host.Locks
	// Executable is the path of this program, for containers that run it.
	Executable string

	// noted counts the stuck volumes that were found first.
	noted atomic.Int64
}

// New is for an engine. What it runs in containers is this very program.
func New(eng *engine.Engine, limits *bounds.Bounds, locks *host.Locks) *Remover {
	return &Remover{eng: eng, bounds: limits, locks: locks, Executable: "/proc/self/exe"}
}

// Sandbox removes all that carries a sandbox's label and looks again
// until nothing does: a request whose client died may still be carried out
// after the first look.
func (r *Remover) Sandbox(ctx context.Context, id string) error {
	gap := r.bounds.RemoveFirstGap
	var last error
	for round := range removeRounds {
		found, err := r.eng.Ours(ctx, label.Sandbox+"="+id)
		if err != nil {
			return err
		}
		s := found[id]
		if s == nil {
			return nil
		}
		if last = r.remove(ctx, s); last == nil {
			continue // the look that finds nothing ends it
		}
		if round == removeRounds-1 || round >= StuckRounds-1 && AllStuck(last) {
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
func (r *Remover) remove(ctx context.Context, s *engine.Objects) error {
	var claims, others []engine.Object
	for _, c := range s.Containers {
		if c.Role == plan.RoleJob {
			claims = append(claims, c)
		} else {
			others = append(others, c)
		}
	}
	_ = Each(ctx, s.Containers, r.endContainer) // the removals tell of faults
	var g group.Group
	g.Go(func() error { return Each(ctx, others, r.Container) })
	g.Go(func() error {
		if err := Each(ctx, s.Networks, r.removeNetwork); err != nil {
			return err
		}
		return Each(ctx, claims, r.Container)
	})
	// A volume can be removed only when none of its containers is left. What
	// cannot be removed keeps no volume but its own.
	err := g.Wait()
	return errors.Join(err, Each(ctx, s.Volumes, r.Volume))
}

// Each does one thing to all objects side by side and joins the errors.
func Each(ctx context.Context, objects []engine.Object, do func(context.Context, engine.Object) error) error {
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
func (r *Remover) endContainer(ctx context.Context, o engine.Object) error {
	if !o.Running {
		return nil
	}
	return r.eng.Kill(ctx, o.Ref, "KILL")
}

// Container removes a container. One that is gone, or goes, is fine.
func (r *Remover) Container(ctx context.Context, o engine.Object) error {
	err := r.eng.Remove(ctx, o.Ref)
	switch {
	case err == nil, engine.Gone(err):
		return nil
	case errdefs.IsConflict(err):
		// Somebody else is removing it: the next look tells.
		ctx, cancel := context.WithTimeout(ctx, r.bounds.EndWait)
		defer cancel()
		return r.eng.Explain("removing container "+o.Name, r.AwaitContainer(ctx, o.Ref))
	}
	return r.eng.Explain("removing container "+o.Name, err)
}

// AwaitContainer waits until a container that is being removed is gone.
func (r *Remover) AwaitContainer(ctx context.Context, ref string) error {
	exits, errs := r.eng.Wait(ctx, ref, engine.Removed)
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

// Volume removes a volume that no container should have any more.
func (r *Remover) Volume(ctx context.Context, o engine.Object) error {
	end, err := r.DropVolume(ctx, o.Ref)
	if end == StillUsed {
		return fault.System(errors.New("removing volume "+o.Name+": a container still has it"), "")
	}
	return err
}

func (r *Remover) removeNetwork(ctx context.Context, o engine.Object) error {
	if err := r.eng.RemoveNetwork(ctx, o.Ref); !engine.Gone(err) {
		return r.eng.Explain("removing network "+o.Name, err)
	}
	return nil
}
