package layers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"time"

	"github.com/containerd/errdefs"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/removal"
	"gitlab-dind-executor/fault"
)

const (
	// copyNowBound is what a copy may take that a job waits for, and copyBehindBound one
	// that is made behind a job. Who waits for another's copy waits twice as long.
	copyNowBound    = 15 * time.Second
	copyBehindBound = time.Minute
)

// ErrNotCopied says that a data root is as empty as it was before the copy.
var ErrNotCopied = errors.New("layers of earlier jobs are not copied")

// Base is the data root of which a new one of that scope and kind may be a copy; nil
// where there is none. Nothing that is wrong with it is a matter of the job's.
func (k Volumes) Base(scope, kind string) *engine.Volume {
	name := label.BaseName(label.DataName(scope, kind, 0))
	for _, v := range k {
		if v.Name == name && engine.Foreign(*v, label.ForData(plan.Claim{Scope: scope}, "")) == "" && k.is(name, label.DataClean) && !k.is(name, label.DataDamaged) {
			return v
		}
	}
	return nil
}

// BaseFor is the base for a new data root of a claim's: of its own scope or, where
// that has no data root yet, of the protected refs of its project, if it may have that.
func (l *Layers) BaseFor(ctx context.Context, c plan.Claim, kind string, own Volumes) *engine.Volume {
	base := own.Base(c.Scope, kind)
	if slots, _, _ := own.Slots(c.Scope, kind); base != nil || c.Inherits == "" || len(slots) > 0 {
		return base
	}
	of, err := l.VolumesOf(ctx, c.Inherits)
	if err != nil {
		return nil
	}
	return of.Base(c.Inherits, kind)
}

// CopyBase copies a base into a data root that a job waits for, whose lease the caller
// has and whose sidecar has not started. After ErrNotCopied it is empty; after any
// other error nobody knows what it holds.
func (l *Layers) CopyBase(ctx context.Context, base *engine.Volume, to engine.Volume) error {
	lease := label.LeaseName(base.Name)
	waiting, cancel := context.WithTimeout(ctx, 2*copyNowBound)
	defer cancel()
	for {
		err := l.copyData(ctx, lease, base, to, copyNowBound)
		if !errdefs.IsConflict(err) || waiting.Err() != nil || !l.AwaitLease(waiting, lease) {
			return err
		}
	}
}

// copyData copies a cleared data root to an empty one, in a container with the name of
// a lease. The caller has the lease of the other, and no daemon has either.
func (l *Layers) copyData(ctx context.Context, lease string, from *engine.Volume, to engine.Volume, bound time.Duration) error {
	exit, err := l.removal.RunProgram(ctx, removal.Program{
		Name: lease, Command: plan.CopyCommand, Bound: bound,
		Volume: to.Name, VolumeLabels: to.Labels, Source: from.Name, SourceLabels: from.Labels,
		Labels: map[string]string{label.Of: to.Name},
	})
	switch {
	case errdefs.IsConflict(err), errors.Is(err, removal.ErrNoVolume):
		return fmt.Errorf("%w: %w", ErrNotCopied, err)
	case err != nil || exit.Code == plan.CommandDone:
		return err
	case exit.Code == plan.CommandFault, exit.Code == plan.CommandNotShared:
		return fmt.Errorf("%w%s", ErrNotCopied, exit.Said)
	}
	return fault.System(fmt.Errorf("copying the layers of earlier jobs ended with code %d%s", exit.Code, exit.Said), "")
}

// renewBase makes the base of a cleared data root's scope and kind anew where that is
// due, if files there share blocks. The caller has the data root's lease. A base that
// somebody else makes, or copies, stays as it is.
func (l *Layers) renewBase(ctx context.Context, v *engine.Volume) error {
	name := label.BaseName(v.Name)
	if !l.eng.Local() || !l.SharesBlocks(path.Dir(path.Dir(v.Mountpoint))) {
		return nil
	}
	old, err := l.eng.Volume(ctx, name)
	if err == nil {
		made, err := time.Parse(time.RFC3339, old.Labels[label.Created])
		if _, clean := l.eng.Volume(ctx, label.StateName(name, label.DataClean)); err == nil && clean == nil && !plan.BaseDue(made, time.Now()) {
			return nil
		}
		if gone, err := l.dropBase(ctx, name); err != nil || !gone {
			return err
		}
	} else if !engine.Gone(err) {
		return l.eng.Explain("looking for the base of layers", err)
	}
	labels := maps.Clone(v.Labels)
	labels[label.Created] = time.Now().UTC().Format(time.RFC3339)
	to, err := l.eng.CreateVolume(ctx, name, labels)
	if err != nil {
		return l.eng.Explain("making a copy of layers", err)
	}
	err = l.copyData(ctx, label.LeaseName(name), v, to, copyBehindBound)
	if err == nil {
		return l.MarkState(ctx, &to, label.DataClean)
	}
	if !errdefs.IsConflict(err) { // else it is another's
		_, dropErr := l.dropBase(ctx, name)
		err = errors.Join(err, dropErr)
	}
	if errors.Is(err, ErrNotCopied) {
		return nil // too many files, say: jobs begin as they did before
	}
	return err
}

// dropBase removes a base, unless somebody copies it, and tells whether it is gone.
// Its mark goes first.
func (l *Layers) dropBase(ctx context.Context, name string) (bool, error) {
	for _, state := range []label.DataState{label.DataClean, label.DataDamaged} {
		if _, err := l.removal.DropVolume(ctx, label.StateName(name, state)); err != nil {
			return false, err
		}
	}
	end, err := l.removal.DropVolume(ctx, name)
	return end == removal.WasRemoved || end == removal.WasAbsent, err
}

// DiscardBase keeps the base of a data root's own scope from every later job: a daemon
// did not come up on a copy.
func (l *Layers) DiscardBase(ctx context.Context, data string) { l.discard(ctx, label.BaseName(data)) }
