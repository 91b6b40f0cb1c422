package driver

import (
	"context"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/images"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/group"
)

// made is a container that was created but not started.
type made struct {
	plan     plan.Container
	id, name string
	image    engine.Image
	// create makes the container, and makes it anew from another image.
	create func(ctx context.Context, name string, img engine.Image) (id string, err error)
}

// jobMade describes the job container of a plan before its creation. The plan may be of
// another sandbox than this preparation's.
func (prep *preparation) jobMade(p *plan.Plan, labels map[string]string, img engine.Image) made {
	return made{
		plan: p.Job.Container, name: label.ObjectName(p.Sandbox, plan.RoleJob), image: img,
		create: func(ctx context.Context, name string, img engine.Image) (string, error) {
			return prep.createJob(ctx, p, name, labels, img)
		},
	}
}

// settle waits for the registry's answer about a container's image. If the registry has
// another image, the container is made anew from that image. settle returns the id.
func (prep *preparation) settle(ctx context.Context, m made) (id string, err error) {
	img, err := prep.images.Settle(ctx, m.plan.Image)
	if err != nil || img.ID == m.image.ID {
		return m.id, err
	}
	return prep.renew(ctx, m, img)
}

// renew makes a container anew from another image. Its name may be a claim, so the new
// container exists before the old one goes, and gets the name only then. In between no
// other job takes the sandbox, because the labels of the new container already claim it.
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
	// The volumes of the old image's VOLUMEs go. A sweep finds the rest.
	var g group.Group
	for i := range m.image.Volumes {
		g.Go(func() error {
			_ = d.eng.RemoveVolume(last, label.ScratchName(m.name, i))
			return nil
		})
	}
	return id, g.Wait()
}

// settleAhead waits for the registry's answer about containers that have already started:
// the sidecar, and the helper of a bare sandbox. It returns their newer images.
func (prep *preparation) settleAhead(ctx context.Context) ([]plan.ImageRef, error) {
	newer, err := prep.settleStarted(ctx, prep.p.Sidecar.Image)
	if err != nil || prep.bare == nil || len(prep.p.Helper.Caches()) > 0 {
		return newer, err
	}
	helper, err := prep.settleStarted(ctx, prep.p.Helper.Image)
	return append(newer, helper...), err
}

// settleStarted waits for the registry's answer about the image of a container that has
// already started from this host's image. The settings allow that image to every project,
// so the daemon may boot meanwhile. If the registry has a newer image, this job keeps the
// older, and the next job gets the newer. Otherwise this job would wait for a pull and a
// second boot. settleStarted returns the newer images.
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
