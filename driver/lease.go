package driver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"

	"gitlab-dind-executor/driver/boot"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
)

// scopeVolumes are the volumes of a scope: its cache, its data roots, and the marks that
// say when they were used.
type scopeVolumes []*engine.Volume

// volumesOf finds what is cached of a scope.
func (d *Driver) volumesOf(ctx context.Context, scope string) (scopeVolumes, error) {
	list, err := d.eng.Volumes(ctx, label.Scope+"="+scope)
	return list, d.eng.Explain("looking for what earlier jobs left", err)
}

// slots are the data roots of a kind that serve and those that are damaged, and
// whether there are others.
func (k scopeVolumes) slots(scope, kind string) (slots, damaged []int, others bool) {
	for _, v := range k {
		if plan.Role(v.Labels[label.Role]) != plan.RoleData {
			continue
		}
		slot, ok := dataSlot(v.Name, scope, kind)
		switch {
		case !ok:
			others = true
		case k.is(v.Name, label.DataDamaged):
			damaged = append(damaged, slot)
		default:
			slots = append(slots, slot)
		}
	}
	return slots, damaged, others
}

// daemon makes the sidecar, with a cached data root if the plan says so, and starts
// it by start, which returns when its daemon answers, or boots. One that does not
// come up on the data of earlier jobs boots again without.
func (prep *preparation) daemon(ctx context.Context, labels map[string]string, start func(context.Context, string) (Ready, error)) (Ready, error) {
	var found scopeVolumes
	if prep.p.Sidecar.Layers {
		var err error
		if found, err = prep.d.volumesOf(ctx, prep.p.Claim.Scope); err != nil {
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
	if prep.sidecar.Seed != "" {
		prep.sidecar.SeedVolume = prep.d.newestSeed(ctx, prep.sidecar.Seed)
	}
	id, root, err := prep.lease(ctx, img, labels, found)
	if err != nil {
		return Ready{}, createFault(prep.sidecar.Container, err)
	}
	noted := make(chan struct{})
	go func() {
		defer close(noted)
		prep.d.noteUse(ctx, prep.p, found, prep.sidecar.DataVolume)
	}()
	ready, err := start(ctx, id)
	<-noted
	if root.State != plan.LayersReused {
		return ready, err
	}
	ready.Layers = true
	return prep.d.withoutDamaged(ctx, prep.p.Sandbox, id, err, ready, prep.say, func(ctx context.Context, id string) (Ready, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, prep.sidecar.ReadyTimeout, boot.ErrNotReady)
		defer cancel()
		docker, err := prep.d.boots.Wait(ctx, id, prep.p, prep.certs)
		return Ready{Docker: docker}, err
	})
}

// errNoLayers says that no layers are free that a sandbox could be made ahead for.
var errNoLayers = errors.New("no layers of earlier jobs are free")

// anyLayers tells whether a scope has layers that no job has.
func (d *Driver) anyLayers(ctx context.Context, scope string) (bool, error) {
	all, err := d.eng.Volumes(ctx, label.Scope+"="+scope, label.Role+"="+string(plan.RoleData))
	if err != nil {
		return false, d.eng.Explain("looking for layers of earlier jobs", err)
	}
	used, err := d.volumesInUse(ctx)
	return slices.ContainsFunc(all, func(v *engine.Volume) bool { return !used[v.Name] }), err
}

// lease creates the sidecar with a cached data root that no other has, or with one
// of its own, of no state. The engine gives a name once, and the sidecar's is
// that of its data root: so none has two daemons, whoever else uses the engine.
func (prep *preparation) lease(ctx context.Context, img engine.Image, labels map[string]string, found scopeVolumes) (id string, root plan.DataRoot, err error) {
	p, c := prep.p, &prep.sidecar.Container
	if prep.sidecar.Layers {
		ahead := p.Claim.Job == ""
		slots, damaged, others := found.slots(p.Claim.Scope, prep.sidecar.DataKind)
		for _, root := range plan.DataRoots(slots, damaged, others) {
			if ahead && root.State != plan.LayersReused {
				continue
			}
			c.DataVolume = label.DataName(p.Claim.Scope, prep.sidecar.DataKind, root.Slot)
			labels[label.Layers] = string(root.State)
			id, err := prep.leaseData(ctx, img, labels)
			if !errors.Is(err, errNotTaken) {
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

// leaseData creates the sidecar with one cached data root, or returns errNotTaken:
// a job has it, or it serves nobody. With the lease it makes sure that the data
// root is clean: made by this very creation, marked, or cleared now.
func (prep *preparation) leaseData(ctx context.Context, img engine.Image, labels map[string]string) (id string, err error) {
	d, c := prep.d, prep.sidecar.Container
	lease := label.LeaseName(c.DataVolume)
	for range leaseTries {
		if id, err = d.createWith(ctx, prep.p, c, lease, labels, img); !errdefs.IsConflict(err) || !d.awaitLease(ctx, lease) {
			break
		}
	}
	switch {
	case errdefs.IsConflict(err):
		return "", errNotTaken
	case err != nil:
		return "", err
	}
	err = prep.cleanData(ctx, c.DataVolume)
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
	why, _, _ := strings.Cut(err.Error(), "\n")
	prep.say("warning: layers of earlier jobs are left aside: " + why)
	return "", errNotTaken
}

// cleanData makes sure that a data root holds nothing that a job could have placed
// there for the next. The caller has its lease, and the mark that it is clean ends
// here: a job is about to have it.
func (prep *preparation) cleanData(ctx context.Context, name string) error {
	d := prep.d
	v, err := d.eng.Volume(ctx, name)
	if err != nil {
		return d.eng.Explain("looking at layers of earlier jobs", err)
	}
	if why := engine.Foreign(v, label.ForData(prep.p.Claim, prep.p.Sandbox)); why != "" {
		return fmt.Errorf("volume %s: %w: %s", name, engine.ErrForeign, why)
	}
	if v.Labels[label.Maker] == prep.p.Sandbox {
		return nil // the sidecar's creation has made it
	}
	err = d.eng.RemoveVolume(ctx, label.StateName(name, label.DataClean))
	if err == nil {
		return nil
	}
	if !engine.Gone(err) {
		return d.eng.Explain("taking layers of earlier jobs", err)
	}
	// A job waits, so the time is short. Whether the data root is damaged or just
	// large, gc finds out behind the job.
	return d.clearData(ctx, &v, label.ClearingName(name), clearNowBound, func(_ context.Context, err error) error { return err })
}

// noteUse notes that a job has a cached volume now, by a volume that is made anew
// each time, since labels never change and the engine knows of no last use. No
// job fails for it.
func (d *Driver) noteUse(ctx context.Context, p *plan.Plan, found scopeVolumes, name string) {
	if name == "" {
		return
	}
	mark := label.UsedName(name, p.Sandbox)
	if _, err := d.eng.CreateVolume(ctx, mark, label.ForMark(p.Claim.Scope, name)); err != nil {
		return
	}
	for _, v := range found {
		if v.Labels[label.Of] == name && v.Labels[label.State] == "" && v.Name != mark {
			_ = d.eng.RemoveVolume(ctx, v.Name)
		}
	}
}

// lastUse is when a cached volume was last given to a job: by its newest mark, or
// when it was made.
func (k scopeVolumes) lastUse(v *engine.Volume) (time.Time, bool) {
	last, err := time.Parse(time.RFC3339, v.Labels[label.Created])
	known := err == nil
	for _, m := range k {
		if m.Labels[label.Of] != v.Name || m.Labels[label.State] != "" {
			continue
		}
		if at, err := time.Parse(time.RFC3339, m.Labels[label.Created]); err == nil && at.After(last) {
			last, known = at, true
		}
	}
	return last, known
}

// dataSlot is the number of a data root of that scope and kind.
func dataSlot(name, scope, kind string) (int, bool) {
	number, ok := strings.CutPrefix(name, strings.TrimSuffix(label.DataName(scope, kind, 0), "0"))
	slot, err := strconv.Atoi(number)
	return slot, ok && err == nil && name == label.DataName(scope, kind, slot)
}
