package driver

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/volume"

	"gitlab-dind-executor/driver/plan"
)

// brokenBoot is an inner daemon that did not come up, which its data root may be
// to blame for.
type brokenBoot struct {
	error
	// brief says why in few words.
	brief string
}

func (b *brokenBoot) Unwrap() error { return b.error }

// scopeVolumes are the volumes of a scope: its cache, its data roots, and the marks that
// say when they were used.
type scopeVolumes []*volume.Volume

// volumesOf finds what is kept of a scope.
func (d *Driver) volumesOf(ctx context.Context, scope string) (scopeVolumes, error) {
	list, err := d.api.VolumeList(ctx, volume.ListOptions{Filters: labelled(labelScope + "=" + scope)})
	return list.Volumes, d.explain("looking for what earlier jobs left", err)
}

// slots are the data roots of a kind that there are, and whether there are
// others.
func (k scopeVolumes) slots(scope, kind string) (slots []int, others bool) {
	for _, v := range k {
		if plan.Role(v.Labels[labelRole]) != plan.RoleData {
			continue
		}
		if slot, ok := dataSlot(v.Name, scope, kind); ok {
			slots = append(slots, slot)
		} else {
			others = true
		}
	}
	return slots, others
}

// daemon makes the sidecar, with a kept data root if the plan says so, and starts
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
	marked := make(chan struct{})
	go func() {
		defer close(marked)
		prep.d.markUse(ctx, prep.p, found, prep.sidecar.DataVolume)
	}()
	ready, err := start(ctx, id)
	<-marked
	if root.State != plan.LayersReused {
		return ready, err
	}
	ready.Layers = true
	return prep.d.withoutDamaged(ctx, prep.p.Sandbox, id, err, ready, prep.say, func(ctx context.Context) (Ready, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, prep.sidecar.ReadyTimeout, errNotReady)
		defer cancel()
		return prep.d.waitReady(ctx, id, prep.p, prep.certs)
	})
}

// withoutDamaged goes on where a daemon on the data of earlier jobs was ready, or
// err says why not: after a boot that failed it boots again with an empty data
// root, and wait waits for that. Should this fail too, the next job has another.
func (d *Driver) withoutDamaged(ctx context.Context, sandbox, sidecar string, err error, ready Ready, say func(string), wait func(context.Context) (Ready, error)) (Ready, error) {
	var broken *brokenBoot
	if err == nil || !errors.As(err, &broken) || ctx.Err() != nil {
		return ready, err
	}
	say("the layers of earlier jobs are damaged and thrown away (the docker daemon " + broken.brief + "); going on without")
	if err = d.bootEmpty(ctx, sandbox, sidecar); err == nil {
		ready, err = wait(ctx)
	}
	if err != nil && ctx.Err() == nil {
		d.throwAway(ctx, sidecar)
	}
	return ready, err
}

// bootEmpty starts a sidecar again, with an empty data root.
func (d *Driver) bootEmpty(ctx context.Context, sandbox, sidecar string) error {
	ctx, cancel := uncut(ctx)
	defer cancel()
	exits, errs := d.wait(ctx, sidecar, container.WaitConditionNotRunning)
	_ = d.api.ContainerKill(ctx, sidecar, "KILL") // one that has ended is fine
	select {
	case <-exits:
	case err := <-errs:
		return d.explain("ending the docker daemon of this job", err)
	}
	// For what the closing line says; no job fails for it.
	_, _ = d.api.VolumeCreate(ctx, volume.CreateOptions{Name: objectName(sandbox, plan.RoleMark), Labels: labels(sandbox, plan.RoleMark)})
	if err := d.putFiles(ctx, sidecar, []file{{path: plan.DamagedFile, mode: 0o644}}); err != nil {
		return err
	}
	return d.explain("starting the sidecar container again", d.api.ContainerStart(ctx, sidecar, container.StartOptions{}))
}

// throwAway removes a sidecar and its kept data root. What cannot be removed, since
// another job has got it meanwhile, stays: that job will see for itself.
func (d *Driver) throwAway(ctx context.Context, sidecar string) {
	ctx, cancel := uncut(ctx)
	defer cancel()
	c, err := d.inspect(ctx, sidecar)
	if err != nil {
		return
	}
	name := strings.TrimPrefix(c.Name, "/")
	volume := c.Config.Labels[labelData]
	if !isKeptData(volume) {
		return
	}
	_ = d.removeContainer(ctx, object{ref: sidecar, name: name})
	_ = d.api.VolumeRemove(ctx, volume, false)
}

// errNoLayers says that no layers are free that a sandbox could be made ahead for.
var errNoLayers = errors.New("no layers of earlier jobs are free")

// anyLayers tells whether a scope has layers that no container has.
func (d *Driver) anyLayers(ctx context.Context, scope string) (bool, error) {
	filter := labelled(labelScope+"="+scope, labelRole+"="+string(plan.RoleData))
	filter.Add("dangling", "true")
	list, err := d.api.VolumeList(ctx, volume.ListOptions{Filters: filter})
	return len(list.Volumes) > 0, d.explain("looking for layers of earlier jobs", err)
}

// lease creates the sidecar with a kept data root that no other has, or with one
// of its own, of no state. The engine gives a name once, and the sidecar's is
// that of its data root: so none has two daemons, whoever else uses the engine.
func (prep *preparation) lease(ctx context.Context, img image.InspectResponse, labels map[string]string, found scopeVolumes) (id string, root plan.DataRoot, err error) {
	p, c := prep.p, &prep.sidecar.Container
	if prep.sidecar.Layers {
		ahead := p.Claim.Job == ""
		slots, others := found.slots(p.Claim.Scope, prep.sidecar.DataKind)
		for _, root := range plan.DataRoots(slots, others) {
			if ahead && root.State != plan.LayersReused {
				continue
			}
			c.DataVolume = dataName(p.Claim.Scope, prep.sidecar.DataKind, root.Slot)
			labels[labelLayers] = string(root.State)
			id, err := prep.d.createWith(ctx, p, *c, leaseName(c.DataVolume), labels, img)
			if !errdefs.IsConflict(err) {
				return id, root, err
			}
		}
		c.DataVolume = ""
		if ahead {
			return "", plan.DataRoot{}, errNoLayers
		}
		labels[labelLayers] = string(plan.LayersBusy)
	}
	id, err = prep.d.createWith(ctx, p, *c, objectName(p.Sandbox, plan.RoleSidecar), labels, img)
	return id, plan.DataRoot{}, err
}

// markUse notes that a job has a kept volume now, by a volume that is made anew
// each time, since labels never change and the engine knows of no last use. No
// job fails for it.
func (d *Driver) markUse(ctx context.Context, p *plan.Plan, found scopeVolumes, name string) {
	if name == "" {
		return
	}
	mark := markName(name, p.Sandbox)
	if _, err := d.api.VolumeCreate(ctx, volume.CreateOptions{Name: mark, Labels: markLabels(p.Claim.Scope, name)}); err != nil {
		return
	}
	for _, v := range found {
		if v.Labels[labelOf] == name && v.Name != mark {
			_ = d.api.VolumeRemove(ctx, v.Name, false)
		}
	}
}

// lastUse is when a kept volume was last given to a job: by its newest mark, or
// when it was made.
func (k scopeVolumes) lastUse(v *volume.Volume) (time.Time, bool) {
	last, err := time.Parse(time.RFC3339, v.Labels[labelCreated])
	known := err == nil
	for _, m := range k {
		if m.Labels[labelOf] != v.Name {
			continue
		}
		if at, err := time.Parse(time.RFC3339, m.Labels[labelCreated]); err == nil && at.After(last) {
			last, known = at, true
		}
	}
	return last, known
}

// dataSlot is the number of a data root of that scope and kind.
func dataSlot(name, scope, kind string) (int, bool) {
	number, ok := strings.CutPrefix(name, strings.TrimSuffix(dataName(scope, kind, 0), "0"))
	slot, err := strconv.Atoi(number)
	return slot, ok && err == nil && name == dataName(scope, kind, slot)
}
