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

// daemon makes the sidecar, with a cached data root if the plan says so, and starts
// it by start, which returns when its daemon answers, or boots. One that does not
// come up on the data of earlier jobs boots again without.
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
		return ready, err // a sidecar anew might take the place of one that a job has
	}
	return prep.d.withoutDamaged(ctx, prep.p.Sandbox, id, err, ready, prep.say, func(ctx context.Context, id string) (Ready, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, prep.sidecar.ReadyTimeout, boot.ErrNotReady)
		defer cancel()
		docker, err := prep.d.boots.Wait(ctx, id, prep.p, prep.certs)
		return Ready{Docker: docker}, err
	})
}

// errNoLayers says that no layers are free that a sandbox could be made ahead for.
var errNoLayers = errors.New("no layers of earlier jobs are free")

// lease creates the sidecar with a cached data root that no other has, or with one
// of its own, of no state. The engine gives a name once, and the sidecar's is
// that of its data root: so none has two daemons, whoever else uses the engine.
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
			case errors.Is(err, errNotBegun): // again, and empty
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

// leaseTries is how often a lease may be another's that is about to be free: behind
// the last job's sidecar comes who clears the data root.
const leaseTries = 4

// errNotBegun says that a data root could not begin as a copy, and is gone.
var errNotBegun = errors.New("the data root is no copy")

// leaseData creates the sidecar with one cached data root, or returns errNotTaken:
// a job has it, or it serves nobody. With the lease it makes sure that the data
// root is clean: made by this very creation, marked, or cleared now. One that it has
// made becomes a copy of base, by its state, or there is errNotBegun.
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
		// It was made for this job. Whoever has it by now clears it.
		_, dropErr := d.removal.DropVolume(bounded, c.DataVolume)
		return "", errors.Join(errNotBegun, dropErr)
	}
	why, _, _ := strings.Cut(err.Error(), "\n")
	prep.say("warning: layers of earlier jobs are left aside: " + why)
	return "", errNotTaken
}

// cleanData makes sure that a data root holds nothing that a job could have placed
// there for the next. The caller has its lease, and the mark that it is clean ends
// here: a job is about to have it.
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
		return v, nil // the sidecar's creation has made it
	}
	err = d.eng.RemoveVolume(ctx, label.StateName(name, label.DataClean))
	if err == nil {
		return v, nil
	}
	if !engine.Gone(err) {
		return v, d.eng.Explain("taking layers of earlier jobs", err)
	}
	// A job waits, so the time is short. Whether the data root is damaged or just
	// large, gc finds out behind the job.
	return v, d.Layers.ClearNow(ctx, &v)
}
