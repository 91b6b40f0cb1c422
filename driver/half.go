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

// A job may take an unfinished sandbox as soon as its network exists. The claim is the same
// as for a finished sandbox: the name of the job container. The maker goes on, since no
// other process is as far, and the job waits. If the maker fails or dies, the job removes
// the remains and goes cold.

const (
	// makingPatience is how long a job waits for the network of a sandbox whose making is
	// about to begin.
	makingPatience = 250 * time.Millisecond
	// makingEvery is the pause between two looks at an unfinished sandbox.
	makingEvery = 15 * time.Millisecond
)

// half is an unfinished sandbox, made ahead by another process.
type half struct {
	sandbox string
	maker   owner.Process
}

// halfMade finds unfinished sandboxes of the plan's kind on this host. No job has taken
// them.
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

// halves picks, by their networks, the unfinished sandboxes that a job may take. The maker
// must be this version of this program, and must live for certain, so that the job notices
// its end.
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

// takeHalf claims an unfinished sandbox, and waits for its completion. If another job was
// first, takeHalf returns nil without an error. If the sandbox is never completed, takeHalf
// removes the sandbox and returns nil.
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

// join waits until a claimed sandbox is complete. Its daemon then boots like the daemon of
// a sandbox made for this job alone.
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

// errNotMade says that a sandbox in the making will not be completed.
var errNotMade = errors.New("the sandbox that was being made does not come")

// awaitMade waits until all containers of a sandbox run, and returns the sidecar's id. The
// error is errNotMade when the maker has ended, or when nothing has changed for
// bounds.MakingStalls.
func (d *Driver) awaitMade(ctx context.Context, h half, img freshImages, relay bool) (sidecar string, err error) {
	var last progress
	changed := time.Now()
	for lives := sandbox.RulesHere(changed, 0).Lives; ; {
		alive := lives(h.maker) == owner.Alive // asked first, so that the list shows the maker's last work
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
	// created and running are numbers of containers.
	created, running int
	// complete says that all containers run. failed says that this will never happen, or
	// that the images differ from the job's.
	complete, failed bool
}

// progressOf reads a sandbox's progress from the list of its containers.
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
