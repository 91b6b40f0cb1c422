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

// removeRounds is the number of tries to remove a sandbox: the engine may still be busy with an
// object. Each wait is twice as long as the one before; all waits together take 6 s.
const removeRounds = 8

// StuckRounds is the number of tries for volumes that resist. A mount just going away may be the
// cause.
const StuckRounds = 2

// networkRounds is the number of tries with a network that is in use while the job container
// stays.
const networkRounds = removeRounds / 2

// Remover removes this program's objects from an engine.
type Remover struct {
	eng    *engine.Engine
	bounds *bounds.Bounds
	// locks let one process at a time make the image of this program.
	locks *host.Locks
	// Executable is the path of this program, for containers that run it.
	Executable string

	// noted counts the stuck volumes first found by this Remover.
	noted atomic.Int64
}

// New makes a Remover for an engine. The Remover's containers run the calling program itself.
func New(eng *engine.Engine, limits *bounds.Bounds, locks *host.Locks) *Remover {
	return &Remover{eng: eng, bounds: limits, locks: locks, Executable: "/proc/self/exe"}
}

// Sandbox removes everything with a sandbox's label and looks again until nothing is left. The
// repeated look matters because the engine may still carry out the request of a dead client. An
// error is a system fault that names the sandbox.
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
		if last = r.remove(ctx, s, round >= networkRounds); last == nil {
			continue // the next look finds nothing and returns
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
	return fault.System(fmt.Errorf("removing sandbox %s: %w", id, last), hintFor(id, last))
}

// hintFor says what removes the rest of a sandbox, according to the last error.
func hintFor(id string, last error) string {
	const sweep = "gitlab-dind-executor gc removes what is left"
	if !engine.Refused(last, engine.NetworkInUse) {
		return sweep
	}
	return "run docker network inspect " + label.NetworkName(id) +
		". If it shows no container, a restart of the engine frees the network. Then " + sweep
}

// remove removes the listed objects of a sandbox. All containers are killed first. Then the
// network goes, and everything left is an orphan by rule, including objects of requests still
// under way. Any sweep removes orphans. The job container goes after the network, because a used
// sandbox without a job container would look warm. Volumes can take long and go last.
//
// An engine may count an endpoint in a network for ever, such as after a failed kill. For an
// impatient caller the job container of such a network goes before the network. All other
// containers must be gone by then, so that nothing looks warm.
func (r *Remover) remove(ctx context.Context, s *engine.Objects, impatient bool) error {
	claims, others := split(s.Containers, plan.RoleJob)
	marks, volumes := split(s.Volumes, plan.RoleEnded)
	_ = Each(ctx, s.Containers, r.endContainer) // the removals report faults
	var g group.Group
	var ofOthers, ofNetworks error
	g.Go(func() error {
		ofOthers = Each(ctx, others, r.Container)
		return nil
	})
	g.Go(func() error {
		if ofNetworks = Each(ctx, s.Networks, r.removeNetwork); ofNetworks == nil {
			ofNetworks = Each(ctx, claims, r.Container)
		}
		return nil
	})
	err := g.Wait()
	if impatient && ofOthers == nil && engine.Refused(ofNetworks, engine.NetworkInUse) {
		ofNetworks = errors.Join(Each(ctx, claims, r.Container), Each(ctx, s.Networks, r.removeNetwork))
	}
	// The engine removes a volume only after all of its containers. A container left over
	// therefore keeps its own volumes, and no others. The mark of an ended job is the last proof
	// that a network without a job container is a leftover.
	if err = errors.Join(err, ofOthers, ofNetworks); err == nil {
		volumes = append(volumes, marks...)
	}
	return errors.Join(err, Each(ctx, volumes, r.Volume))
}

// split divides objects into those with a role and all others.
func split(objects []engine.Object, role plan.Role) (with, without []engine.Object) {
	for _, o := range objects {
		if o.Role == role {
			with = append(with, o)
		} else {
			without = append(without, o)
		}
	}
	return with, without
}

// Each calls do for all objects, eight at a time, and joins the errors.
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

// endContainer kills a running container, to let its network go. An ended container is no error.
func (r *Remover) endContainer(ctx context.Context, o engine.Object) error {
	if !o.Running {
		return nil
	}
	return r.eng.Kill(ctx, o.Ref, "KILL")
}

// Container removes a container. A container already gone, or just going, is no error.
func (r *Remover) Container(ctx context.Context, o engine.Object) error {
	err := r.eng.Remove(ctx, o.Ref)
	switch {
	case err == nil, engine.Gone(err):
		return nil
	case errdefs.IsConflict(err):
		// Somebody else is removing the container.
		ctx, cancel := context.WithTimeout(ctx, r.bounds.EndWait)
		defer cancel()
		return r.eng.Explain("removing container "+o.Name, r.AwaitContainer(ctx, o.Ref))
	}
	return r.eng.Explain("removing container "+o.Name, err)
}

// AwaitContainer waits until the engine has removed a container.
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

// Volume removes a volume, and fails if a container still has it.
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
