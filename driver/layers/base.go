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
	// copyNowBound bounds a copy on which a job waits, copyBehindBound a copy made behind a job.
	// On somebody else's copy a job waits at most 2 * copyNowBound.
	copyNowBound    = 15 * time.Second
	copyBehindBound = time.Minute
)

// ErrNotCopied is returned when nothing was copied. The new data root is still empty.
var ErrNotCopied = errors.New("layers of earlier jobs are not copied")

// Base finds the original for copies into new data roots of a scope and kind. Without a base, or
// with a damaged or uncleared base, the answer is nil. A job never fails because of a base.
func (k Volumes) Base(scope, kind string) *engine.Volume {
	name := label.BaseName(label.DataName(scope, kind, 0))
	for _, v := range k {
		if v.Name == name && engine.Foreign(*v, label.ForData(plan.Claim{Scope: scope}, "")) == "" && k.is(name, label.DataClean) && !k.is(name, label.DataDamaged) {
			return v
		}
	}
	return nil
}

// BaseFor is the base for a new data root of a claim. The claim's own scope comes first. A scope
// without data roots gets the base of the project's protected refs, if the claim may inherit.
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

// CopyBase copies a base into a data root for a waiting job. The caller holds the data root's
// lease and has not started its sidecar. After ErrNotCopied the data root is empty; after any
// other error its content is unknown.
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

// copyData copies a cleared data root into an empty one, in a container with the name of a lease.
// The caller holds the other data root's lease, and no daemon has either.
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

// renewBase renews the base of a cleared data root's scope and kind when due. Without shared
// blocks on the file system nothing happens. The caller holds the data root's lease. A base stays
// while somebody else is making or copying it.
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
	if !errdefs.IsConflict(err) { // on a conflict somebody else makes the base
		_, dropErr := l.dropBase(ctx, name)
		err = errors.Join(err, dropErr)
	}
	if errors.Is(err, ErrNotCopied) {
		return nil // for example too many files: jobs begin without a copy, as before
	}
	return err
}

// dropBase removes a base after its marks, unless somebody copies the base. The answer tells
// whether the base is gone.
func (l *Layers) dropBase(ctx context.Context, name string) (bool, error) {
	for _, state := range []label.DataState{label.DataClean, label.DataDamaged} {
		if _, err := l.removal.DropVolume(ctx, label.StateName(name, state)); err != nil {
			return false, err
		}
	}
	end, err := l.removal.DropVolume(ctx, name)
	return end == removal.WasRemoved || end == removal.WasAbsent, err
}

// DiscardBase marks the base of a data root's own scope as damaged, to keep later jobs from
// copying. The reason for a call is a copy on which no daemon came up.
func (l *Layers) DiscardBase(ctx context.Context, data string) { l.discard(ctx, label.BaseName(data)) }
