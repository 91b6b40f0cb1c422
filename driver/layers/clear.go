package layers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/removal"
	"gitlab-dind-executor/driver/span"
	"gitlab-dind-executor/fault"
)

const (
	// clearBehindBound bounds a clearing behind a job, and clearNowBound a clearing for a waiting
	// job.
	clearBehindBound = 5 * time.Minute
	clearNowBound    = 20 * time.Second
)

// errDamaged is returned when a data root has to be thrown away as a whole.
var errDamaged = errors.New("the layers of earlier jobs are damaged")

// clearData removes everything from a cached data root except what the next daemon needs. The
// caller holds the lease, or takes it by passing the lease's name for the container. settle runs
// while the lease is held, with nil or errDamaged; its error is returned.
func (l *Layers) clearData(ctx context.Context, v *engine.Volume, name string, bound time.Duration, settle func(context.Context, error) error) error {
	_, err := l.removal.RunProgram(ctx, removal.Program{
		Name: name, Command: plan.ClearCommand, Volume: v.Name, VolumeLabels: v.Labels, Bound: bound,
		Labels: map[string]string{label.Of: v.Name},
		Settle: func(ctx context.Context, exit removal.Exit) error {
			switch exit.Code {
			case 0:
				return settle(ctx, nil)
			case plan.CommandThrowAway:
				return settle(ctx, fmt.Errorf("%w%s", errDamaged, exit.Said))
			}
			return fault.System(fmt.Errorf("clearing the layers of an earlier job ended with code %d%s", exit.Code, exit.Said), "")
		},
	})
	return err
}

// ClearNow clears a data root for a waiting job. The caller holds the lease.
func (l *Layers) ClearNow(ctx context.Context, v *engine.Volume) error {
	return l.clearData(ctx, v, label.ClearingName(v.Name), clearNowBound, func(_ context.Context, err error) error { return err })
}

// MarkState makes the mark for the state of a cached data root.
func (l *Layers) MarkState(ctx context.Context, v *engine.Volume, state label.DataState) error {
	_, err := l.eng.CreateVolume(ctx, label.StateName(v.Name, state), label.ForState(v.Labels[label.Scope], v.Name, state))
	return l.eng.Explain("marking layers as "+string(state), err)
}

// ClearLayers clears data roots used by jobs and now idle, so the next job need not wait for the
// clearing. Damaged data roots are removed. A failure does not stop the work on the others.
// removed has the names of the volumes removed or, with dryRun, to be removed.
func (l *Layers) ClearLayers(ctx context.Context, dryRun bool) (removed []string, err error) {
	ctx, end := span.Begin(ctx, "clear layers")
	defer end()
	if err := l.eng.Greet(ctx); err != nil {
		return nil, err
	}
	all, err := l.eng.Volumes(ctx, label.Scope)
	if err != nil {
		return nil, l.eng.Explain("looking for layers of earlier jobs", err)
	}
	found := Volumes(all)
	var errs []error
	for _, v := range found {
		if plan.Role(v.Labels[label.Role]) != plan.RoleData || !label.IsCachedData(v.Name) {
			continue
		}
		damaged := found.is(v.Name, label.DataDamaged)
		if label.IsBase(v.Name) && !damaged {
			continue // no daemon uses a base; it is made anew in time
		}
		if !damaged && !found.is(v.Name, label.DataClean) && !dryRun {
			err := l.clearBehind(ctx, v)
			damaged = errors.Is(err, errDamaged)
			switch {
			case damaged, errors.Is(err, removal.ErrNoVolume):
			case errdefs.IsConflict(err): // a job or another clearing has it
				l.AwaitLease(ctx, label.LeaseName(v.Name))
			default:
				errs = append(errs, err)
			}
		}
		if !damaged {
			continue
		}
		if !dryRun {
			gone, err := l.evict(ctx, v.Name, found)
			errs = append(errs, err)
			if !gone {
				continue
			}
		}
		removed = append(removed, v.Name)
	}
	return removed, errors.Join(errs...)
}

// clearBehind clears a data root that no job has. Its container has the lease's name, so no job
// gets the data root meanwhile.
func (l *Layers) clearBehind(ctx context.Context, v *engine.Volume) error {
	if _, err := l.eng.Volume(ctx, label.StateName(v.Name, label.DataClean)); err == nil {
		return nil // somebody has cleared it since the listing
	}
	return l.clearData(ctx, v, label.LeaseName(v.Name), clearBehindBound, func(ctx context.Context, err error) error {
		if err != nil {
			return errors.Join(err, l.MarkState(ctx, v, label.DataDamaged))
		}
		if err := l.MarkState(ctx, v, label.DataClean); err != nil {
			return err
		}
		return l.renewBase(ctx, v)
	})
}

// AwaitLease waits for a lease about to be free, and tells whether the lease is free. A lease
// becomes free after a clearing or a copy, or with the removal of a sidecar. AwaitLease removes
// the sidecar of a job marked as ended, and a dead sidecar whose sandbox has lost the network.
// False means a job has the lease, or the engine failed.
func (l *Layers) AwaitLease(ctx context.Context, lease string) bool {
	c, err := l.eng.Container(ctx, lease)
	switch {
	case engine.Gone(err):
		return true
	case err != nil:
		return false
	case plan.Role(c.Labels[label.Role]) == plan.RoleProgram:
		ctx, cancel := context.WithTimeout(ctx, clearNowBound)
		defer cancel()
		return l.removal.AwaitContainer(ctx, c.ID) == nil
	case l.hasEnded(ctx, c.Labels):
	case c.Running || c.Paused || c.Status == engine.Created || !l.isOrphan(ctx, c.Labels):
		return false
	}
	return l.removal.Container(ctx, engine.Object{Ref: c.ID, Name: lease}) == nil
}

// hasEnded tells whether the job of a sidecar's sandbox has ended. Such a sandbox is being
// removed.
func (l *Layers) hasEnded(ctx context.Context, labels map[string]string) bool {
	sandbox := labels[label.Sandbox]
	if plan.Role(labels[label.Role]) != plan.RoleSidecar || sandbox == "" {
		return false
	}
	v, err := l.eng.Volume(ctx, label.ObjectName(sandbox, plan.RoleEnded))
	return err == nil && plan.Role(v.Labels[label.Role]) == plan.RoleEnded
}

// isOrphan tells whether a sidecar's sandbox has lost its network and so belongs to nobody.
func (l *Layers) isOrphan(ctx context.Context, labels map[string]string) bool {
	sandbox := labels[label.Sandbox]
	if plan.Role(labels[label.Role]) != plan.RoleSidecar || sandbox == "" {
		return false
	}
	found, err := l.eng.Networks(ctx, label.Sandbox+"="+sandbox)
	return err == nil && len(found) == 0
}
