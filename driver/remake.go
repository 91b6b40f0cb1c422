package driver

import (
	"context"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/images"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/group"
)

// made is a container that was created and has not been started.
type made struct {
	plan     plan.Container
	id, name string
	image    engine.Image
	// create is how it was made, and how it is made anew.
	create func(ctx context.Context, name string, img engine.Image) (id string, err error)
}

// jobMade is the job container of a plan, which may be another sandbox's than
// this preparation's, before it is there.
func (prep *preparation) jobMade(p *plan.Plan, labels map[string]string, img engine.Image) made {
	return made{
		plan: p.Job.Container, name: label.ObjectName(p.Sandbox, plan.RoleJob), image: img,
		create: func(ctx context.Context, name string, img engine.Image) (string, error) {
			return prep.createJob(ctx, p, name, labels, img)
		},
	}
}

// settle waits for what the registry says of a container's image. Where it has
// another, the container is made anew of that. It returns the container's id.
func (prep *preparation) settle(ctx context.Context, m made) (id string, err error) {
	img, err := prep.images.Settle(ctx, m.plan.Image)
	if err != nil || img.ID == m.image.ID {
		return m.id, err
	}
	return prep.renew(ctx, m, img)
}

// renew makes a container anew of another image. Its name may be a claim, so the
// new one is there before the old one goes, and only then has its name. Under that
// no other job finds the sandbox in between: the labels say that it is taken.
func (prep *preparation) renew(ctx context.Context, m made, img engine.Image) (id string, err error) {
	d, next := prep.d, m.name+"-next"
	if id, err = m.create(ctx, next, img); err != nil {
		return "", createFault(m.plan, err)
	}
	last, cancel := d.eng.Uncut(ctx)
	defer cancel()
	if err := d.removal.Container(last, engine.Object{Ref: m.id, Name: m.name}); err != nil {
		return "", err
	}
	if err := d.eng.Rename(last, id, m.name); err != nil {
		return "", d.eng.Explain("renaming container "+next, err)
	}
	// What the old image has in its VOLUMEs goes; a sweep takes what stays.
	var g group.Group
	for i := range m.image.Volumes {
		g.Go(func() error {
			_ = d.eng.RemoveVolume(last, label.ScratchName(m.name, i))
			return nil
		})
	}
	return id, g.Wait()
}

// settleAhead is settle for what has started before the registry's answer: the
// sidecar, and in a bare sandbox the helper.
func (prep *preparation) settleAhead(ctx context.Context) ([]plan.ImageRef, error) {
	newer, err := prep.settleStarted(ctx, prep.p.Sidecar.Image)
	if err != nil || prep.bare == nil || len(prep.p.Helper.Caches()) > 0 {
		return newer, err
	}
	helper, err := prep.settleStarted(ctx, prep.p.Helper.Image)
	return append(newer, helper...), err
}

// settleStarted waits for what the registry says of the sidecar's image, if it
// has it from this host. The settings allow that image to every project, so the
// daemon boots meanwhile. Where the registry has another, this job goes on with
// the one that boots, and the next one gets the other: a job would wait for the
// whole of a pull and for a second boot. It returns those others.
func (prep *preparation) settleStarted(ctx context.Context, ref plan.ImageRef) ([]plan.ImageRef, error) {
	if _, err := prep.images.Ensure(ctx, ref); err != nil {
		return nil, err
	}
	f, outdated, err := prep.images.Answer(ctx, ref)
	if err != nil {
		return nil, err
	}
	prep.images.Note(ref, images.DigestOf(ref, f.Image))
	if !outdated {
		return nil, nil
	}
	prep.say("the registry has a newer " + ref.Name + ": this job has the one that is here, the next job gets the newer")
	return []plan.ImageRef{ref}, nil
}
