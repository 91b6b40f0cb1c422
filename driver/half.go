package driver

import (
	"context"
	"errors"
	"time"

	"github.com/containerd/errdefs"

	"gitlab-dind-executor/driver/bounds"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/owner"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/sandbox"
)

// A job may take a sandbox that is still being made, from the moment that its network is
// there. The claim is the same: the name of the job container. Who makes the sandbox goes
// on, since it is as far as nobody else is, and the job waits for that. Should the maker
// fail or die, the job removes what there is and goes cold.

const (
	// makingPatience is how long a job waits for the network of a sandbox that somebody
	// is about to make.
	makingPatience = 250 * time.Millisecond
	// makingEvery is the pause between two looks at a sandbox that is being made.
	makingEvery = 15 * time.Millisecond
)

// half is a sandbox that is being made ahead.
type half struct {
	sandbox string
	maker   owner.Process
}

// halfMade finds the sandboxes of the plan's kind that somebody makes ahead on this
// host and no job has taken.
func (prep *preparation) halfMade(ctx context.Context) ([]half, error) {
	d := prep.d
	for end := time.Now().Add(makingPatience); d.locks.Shared(makingOf(prep.p.Spec)) && time.Now().Before(end); {
		if !bounds.Pause(ctx, makingEvery/3) {
			return nil, ctx.Err()
		}
	}
	of := label.Spec + "=" + prep.p.Spec
	networks, err := d.eng.Networks(ctx, of)
	if err != nil || len(networks) == 0 {
		return nil, d.eng.Explain("looking for sandboxes that are being made", err)
	}
	containers, err := d.eng.Containers(ctx, of)
	if err != nil {
		return nil, d.eng.Explain("looking for sandboxes that are being made", err)
	}
	return halves(networks, containers, time.Now(), sandbox.RulesHere(time.Now(), 0).Lives), nil
}

// halves are the sandboxes that are being made ahead, by their networks, and that a job
// may take: their maker is this version of this program, and lives for certain, so that
// the job learns of its end.
func halves(networks []engine.Network, containers []engine.Container, now time.Time, lives func(owner.Process) owner.Life) (found []half) {
	taken := map[string]bool{}
	for _, c := range containers {
		if plan.Role(c.Labels[label.Role]) == plan.RoleJob {
			taken[c.Labels[label.Sandbox]] = true
		}
	}
	for _, n := range networks {
		l := n.Labels
		until, err := time.Parse(time.RFC3339, l[label.Deadline])
		ahead := err == nil && now.Before(until) && l[label.Job] == "" && l[label.MadeBy] == label.Version
		maker, err := owner.Parse(l[label.Owner])
		if id := l[label.Sandbox]; ahead && err == nil && id != "" && !taken[id] && lives(maker) == owner.Alive {
			found = append(found, half{id, maker})
		}
	}
	return found
}

// takeHalf makes a sandbox the job's that is being made, and waits for it. nil without
// an error means that it was not to be had, or did not come: then it is removed.
func (prep *preparation) takeHalf(ctx context.Context, h half, img freshImages) (*taken, error) {
	d, p := prep.d, prep.p.In(h.sandbox)
	labels := label.ForJob(p)
	if !prep.waits() {
		labels[label.Booting] = "true"
	}
	prep.placeCAs(ctx, p)
	c := &taken{plan: p, job: prep.jobMade(p, labels, img.job)}
	var err error
	c.job.id, err = c.job.create(ctx, c.job.name, img.job)
	switch {
	case errdefs.IsConflict(err), errdefs.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, createFault(p.Job.Container, err)
	}
	err = prep.join(ctx, c, h, img)
	switch {
	case err == nil:
		return c, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, d.removal.Sandbox(ctx, h.sandbox)
}

// join waits until a sandbox that the job has taken is made. Its daemon boots then, as
// one of the job's own would.
func (prep *preparation) join(ctx context.Context, c *taken, h half, img freshImages) (err error) {
	d := prep.d
	if c.sidecar, err = d.awaitMade(ctx, h, img, prep.p.Sidecar.Relay); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, prep.p.Sidecar.ReadyTimeout)
	defer cancel()
	if prep.certs, err = d.unused(ctx, h.sandbox, c.sidecar, prep.p.Sidecar); err != nil {
		return err
	}
	if !prep.waits() {
		c.ready.Booting = true
		return nil
	}
	c.ready.Docker, err = d.boots.Wait(ctx, c.sidecar, c.plan, prep.certs)
	return err
}

// errNotMade says that a sandbox that was being made will not come.
var errNotMade = errors.New("the sandbox that was being made does not come")

// awaitMade waits until all runs of a sandbox that is being made, and returns its
// sidecar. It is given up when its maker has ended, or when nothing has happened to it
// for a while.
func (d *Driver) awaitMade(ctx context.Context, h half, img freshImages, relay bool) (sidecar string, err error) {
	var last progress
	changed := time.Now()
	for lives := sandbox.RulesHere(changed, 0).Lives; ; {
		alive := lives(h.maker) == owner.Alive // before the look: what it has made is seen
		list, err := d.eng.Containers(ctx, label.Sandbox+"="+h.sandbox)
		if err != nil {
			return "", d.eng.Explain("looking at a sandbox that is being made", err)
		}
		now := progressOf(list, img, relay)
		switch {
		case now.failed:
			return "", errNotMade
		case now.complete:
			return now.sidecar, nil
		case now != last:
			last, changed = now, time.Now()
		}
		if !alive || time.Since(changed) > d.bounds.MakingStalls {
			return "", errNotMade
		}
		if !bounds.Pause(ctx, max(makingEvery, time.Since(changed)/20)) {
			return "", ctx.Err()
		}
	}
}

// progress is how far a sandbox is made.
type progress struct {
	sidecar string
	// created and running count its containers.
	created, running int
	// complete says that all of it runs, failed that it never will, or is of other
	// images than the job's.
	complete, failed bool
}

// progressOf reads how far a sandbox is from the list of its containers.
func progressOf(list []engine.Container, img freshImages, relay bool) (p progress) {
	runs := map[plan.Role]bool{}
	for _, c := range list {
		role := plan.Role(c.Labels[label.Role])
		var of string
		switch role {
		case plan.RoleSidecar:
			p.sidecar, of = c.ID, img.sidecar.ID
		case plan.RoleHelper:
			of = img.helper.ID
		case plan.RoleRelay:
		default:
			continue
		}
		p.created++
		switch {
		case of != "" && c.ImageID != of, c.State != engine.Running && c.State != engine.Created:
			p.failed = true
		case c.State == engine.Running:
			p.running++
			runs[role] = true
		}
	}
	p.complete = !p.failed && runs[plan.RoleSidecar] && runs[plan.RoleHelper] && (!relay || runs[plan.RoleRelay])
	return p
}
