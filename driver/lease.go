package driver

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"

	"gitlab-dind-executor/driver/boot"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/layers"
	"gitlab-dind-executor/driver/plan"
)

// daemon makes the sidecar, with a cached data root if the plan says so. start starts the
// sidecar, and returns when its daemon answers or boots. If the daemon fails on the data of
// earlier jobs, the job gets a new sidecar without that data.
func (prep *preparation) daemon(ctx context.Context, labels map[string]string, start func(context.Context, string) (Ready, error)) (Ready, error) {
	var found layers.Volumes
	if prep.p.Sidecar.Layers {
		var err error
		if found, err = prep.d.Layers.VolumesOf(ctx, prep.p.Claim.Scope); err != nil {
			return Ready{}, err
		}
	}
	img, err := prep.place(ctx, prep.p.Sidecar.Container)
	if err != nil {
		return Ready{}, err
	}
	if err := prep.fit(ctx, img); err != nil {
		return Ready{}, err
	}
	if prep.sidecar.Queues {
		labels[label.Queues] = "true"
	}
	if prep.sidecar.Seed != "" {
		prep.sidecar.SeedVolume = prep.d.Layers.NewestSeed(ctx, prep.sidecar.Seed)
	}
	id, root, err := prep.lease(ctx, img, labels, found)
	if err != nil {
		return Ready{}, createFault(prep.sidecar.Container, err)
	}
	noted := make(chan struct{})
	go func() {
		defer close(noted)
		prep.d.Layers.NoteUse(ctx, prep.p, found, prep.sidecar.DataVolume)
	}()
	ready, err := start(ctx, id)
	<-noted
	if !root.State.Earlier() {
		return ready, err
	}
	ready.Layers = true
	if prep.p.Claim.Job == "" {
		return ready, err // a job may have claimed this sidecar already, so none replaces it
	}
	return prep.d.withoutDamaged(ctx, prep.p.Sandbox, id, err, ready, prep.say, func(ctx context.Context, id string) (Ready, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, prep.sidecar.ReadyTimeout, boot.ErrNotReady)
		defer cancel()
		docker, err := prep.d.boots.Wait(ctx, id, prep.p, prep.certs)
		return Ready{Docker: docker}, err
	})
}

// errNoLayers says that no free layers exist for a sandbox made ahead.
var errNoLayers = errors.New("no layers of earlier jobs are free")

// lease creates the sidecar with a free cached data root. Without a free data root the
// sidecar gets a new volume, and root has no state. A leased sidecar's name is derived from
// its data root, and the engine gives a name once. So no data root ever has two daemons,
// whoever else uses the engine.
func (prep *preparation) lease(ctx context.Context, img engine.Image, labels map[string]string, found layers.Volumes) (id string, root plan.DataRoot, err error) {
	p, c := prep.p, &prep.sidecar.Container
	if prep.sidecar.Layers {
		ahead := p.Claim.Job == ""
		slots, damaged, others := found.Slots(p.Claim.Scope, prep.sidecar.DataKind)
		var base *engine.Volume
		if !ahead {
			base = prep.d.Layers.BaseFor(ctx, p.Claim, prep.sidecar.DataKind, found)
		}
		roots := plan.DataRoots(slots, damaged, others, base != nil)
		for i := 0; i < len(roots); i++ {
			root := roots[i]
			if ahead && root.State != plan.LayersReused {
				continue
			}
			c.DataVolume = label.DataName(p.Claim.Scope, prep.sidecar.DataKind, root.Slot)
			labels[label.Layers] = string(root.State)
			id, err := prep.leaseData(ctx, img, labels, root.State, base)
			switch {
			case errors.Is(err, errNotBegun): // try again with an empty data root
				base, roots, i = nil, plan.DataRoots(slots, damaged, others, false), i-1
			case !errors.Is(err, errNotTaken):
				return id, root, err
			}
		}
		c.DataVolume = ""
		if ahead {
			return "", plan.DataRoot{}, errNoLayers
		}
		labels[label.Layers] = string(plan.LayersBusy)
	}
	id, err = prep.d.createWith(ctx, p, *c, label.ObjectName(p.Sandbox, plan.RoleSidecar), labels, img)
	return id, plan.DataRoot{}, err
}

// leaseTries is how often a lease is tried if it is about to be free. After a job's sidecar
// the lease belongs to the process that clears the data root.
const leaseTries = 4

// errNotBegun says that a new data root could not be filled from its base and was removed.
var errNotBegun = errors.New("the data root is no copy")

// leaseData creates the sidecar with a cached data root. It returns errNotTaken if another
// job has the data root, or if the data root is unusable. The data root is clean: this call
// has created it, it carries the mark, or it is cleared now. With state copied, a data root
// created here is filled from base; if that fails, the error is errNotBegun.
func (prep *preparation) leaseData(ctx context.Context, img engine.Image, labels map[string]string, state plan.LayersState, base *engine.Volume) (id string, err error) {
	d, c := prep.d, prep.sidecar.Container
	lease := label.LeaseName(c.DataVolume)
	for range leaseTries {
		if id, err = d.createWith(ctx, prep.p, c, lease, labels, img); !errdefs.IsConflict(err) || !d.Layers.AwaitLease(ctx, lease) {
			break
		}
	}
	switch {
	case errdefs.IsConflict(err):
		return "", errNotTaken
	case err != nil:
		return "", err
	}
	v, err := prep.cleanData(ctx, c.DataVolume)
	if err == nil && state == plan.LayersCopied && v.Labels[label.Maker] == prep.p.Sandbox {
		if err = d.Layers.CopyBase(ctx, base, v); err != nil {
			err = fmt.Errorf("%w: %w", errNotBegun, err)
		}
	}
	if err == nil {
		return id, nil
	}
	bounded, cancel := d.bounds.Clearing(ctx)
	defer cancel()
	if removeErr := d.removal.Container(bounded, engine.Object{Ref: id, Name: lease}); removeErr != nil {
		return "", errors.Join(err, removeErr)
	}
	if ctx.Err() != nil {
		return "", err
	}
	if errors.Is(err, errNotBegun) {
		// The volume was made for this job. A new owner of the lease clears the volume
		// first.
		_, dropErr := d.removal.DropVolume(bounded, c.DataVolume)
		return "", errors.Join(errNotBegun, dropErr)
	}
	why, _, _ := strings.Cut(err.Error(), "\n")
	prep.say("warning: layers of earlier jobs are left aside: " + why)
	return "", errNotTaken
}

// cleanData makes sure that a data root holds nothing that a job could have planted for the
// next. The caller has the lease. The mark for a clean data root goes, since a job is about
// to use it.
func (prep *preparation) cleanData(ctx context.Context, name string) (engine.Volume, error) {
	d := prep.d
	v, err := d.eng.Volume(ctx, name)
	if err != nil {
		return v, d.eng.Explain("looking at layers of earlier jobs", err)
	}
	if why := engine.Foreign(v, label.ForData(prep.p.Claim, prep.p.Sandbox)); why != "" {
		return v, fmt.Errorf("volume %s: %w: %s", name, engine.ErrForeign, why)
	}
	if v.Labels[label.Maker] == prep.p.Sandbox {
		return v, nil // created together with the sidecar
	}
	err = d.eng.RemoveVolume(ctx, label.StateName(name, label.DataClean))
	if err == nil {
		return v, nil
	}
	if !engine.Gone(err) {
		return v, d.eng.Explain("taking layers of earlier jobs", err)
	}
	// A job waits, so the time is short. gc finds out later whether the data root is
	// damaged or just large.
	return v, d.Layers.ClearNow(ctx, &v)
}
