package driver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"time"

	"github.com/containerd/errdefs"

	"gitlab-dind-executor/driver/boot"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/group"
)

// claimBound is the shortest time in which a waiting sandbox's daemon has to answer.
const claimBound = 5 * time.Second

// ahead is a sandbox that was made ahead.
type ahead struct {
	sandbox string
	spec    string
	// sidecar and helper are the ids of running containers; empty where none runs.
	sidecar, helper string
	// sidecarImage and helperImage are ids of images.
	sidecarImage, helperImage string
	image                     string
	// all are the ids of all containers of the sandbox.
	all            []string
	created, until time.Time
	// taken says that a job container exists.
	taken bool
	// lame says that the relay does not run.
	lame bool
}

// waits tells whether a job may still take the sandbox.
func (a *ahead) waits(now time.Time) bool {
	return !a.taken && !a.lame && a.sidecar != "" && a.helper != "" && now.Before(a.until)
}

// bootsFor is the age up to which a sandbox counts as still booting.
const bootsFor = 5 * time.Second

// young tells whether the sandbox's daemon may still be booting.
func (a *ahead) young(now time.Time) bool {
	age := now.Sub(a.created)
	return age < bootsFor && age > -bootsFor
}

// patience is the time that a daemon has to answer the job that claims its sandbox. boots
// is the longest time that the settings allow for a boot. A young daemon gets the rest of
// its boot time, as a daemon of the job's own would. Giving up early would remove the
// sandbox, and its boot would look as if its layers were damaged. An older daemon gets a
// twelfth of boots: on hosts where daemons boot slowly, they answer slowly, too.
func (a *ahead) patience(boots time.Duration, now time.Time) time.Duration {
	return max(claimBound, boots/12, min(boots, boots-now.Sub(a.created)))
}

// allAhead finds the sandboxes made ahead with a spec, or all of them if spec is empty.
func (d *Driver) allAhead(ctx context.Context, spec string) ([]*ahead, error) {
	if err := d.eng.Greet(ctx); err != nil {
		return nil, err
	}
	filter := label.Spec
	if spec != "" {
		filter += "=" + spec
	}
	list, err := d.eng.Containers(ctx, filter)
	if err != nil {
		return nil, d.eng.Explain("looking for sandboxes that wait", err)
	}
	return aheadOf(list), nil
}

// aheadOf returns the sandboxes made ahead among a list of containers, the oldest first.
// Their mark is a deadline on the sidecar.
func aheadOf(list []engine.Container) []*ahead {
	found := map[string]*ahead{}
	for _, c := range list {
		id := c.Labels[label.Sandbox]
		if found[id] == nil {
			found[id] = &ahead{sandbox: id, spec: c.Labels[label.Spec]}
		}
		a, running := found[id], c.State == engine.Running
		a.all = append(a.all, c.ID)
		switch plan.Role(c.Labels[label.Role]) {
		case plan.RoleJob:
			a.taken = true
		case plan.RoleHelper:
			if running {
				a.helper, a.helperImage = c.ID, c.ImageID
			}
		case plan.RoleRelay:
			a.lame = !running
		case plan.RoleSidecar:
			a.created, _ = time.Parse(time.RFC3339, c.Labels[label.Created])
			a.until, _ = time.Parse(time.RFC3339, c.Labels[label.Deadline])
			a.image = label.ImageName(c.Labels, c.Image)
			if running {
				a.sidecar, a.sidecarImage = c.ID, c.ImageID
			}
		}
	}
	maps.DeleteFunc(found, func(id string, a *ahead) bool { return id == "" || a.until.IsZero() })
	return slices.SortedFunc(maps.Values(found), func(a, b *ahead) int { return a.created.Compare(b.created) })
}

// taken is a sandbox that now belongs to this job.
type taken struct {
	plan    *plan.Plan
	sidecar string
	job     made
	ready   Ready
}

// claim takes a waiting sandbox of the plan's kind. Where none was to be had, it returns
// nil and the reason without an error, and the job gets a new sandbox.
func (prep *preparation) claim(ctx context.Context) (*taken, string, error) {
	now := time.Now()
	if why, ok := prep.p.Claimable(now); !ok {
		return nil, why, nil
	}
	all, err := prep.d.allAhead(ctx, prep.p.Spec)
	if err != nil {
		return nil, "", err
	}
	waiting := slices.DeleteFunc(all, func(a *ahead) bool { return !a.waits(now) })
	why := "no sandbox of its kind was waiting"
	var coming []half
	if len(waiting) == 0 {
		if coming, err = prep.halfMade(ctx); err != nil || len(coming) == 0 {
			return nil, why, err
		}
	}
	img, err := prep.freshImages(ctx)
	if err != nil {
		return nil, "", err
	}
	if len(waiting) > 0 {
		why = "the images are newer than the sandboxes that wait"
		waiting = slices.DeleteFunc(waiting, func(a *ahead) bool {
			return a.sidecarImage != img.sidecar.ID || a.helperImage != img.helper.ID
		})
	}
	// The random order lets simultaneous jobs begin at different sandboxes. Sandboxes with
	// a booting daemon come last.
	rand.Shuffle(len(waiting), func(i, j int) { waiting[i], waiting[j] = waiting[j], waiting[i] })
	slices.SortStableFunc(waiting, func(a, b *ahead) int {
		switch {
		case a.young(now) == b.young(now):
			return 0
		case a.young(now):
			return 1
		}
		return -1
	})
	for _, a := range waiting {
		c, err := prep.take(ctx, a, img.job)
		if c != nil || err != nil {
			return c, "", err
		}
		why = "others took the sandboxes that waited"
	}
	if coming == nil {
		if coming, err = prep.halfMade(ctx); err != nil {
			return nil, "", err
		}
	}
	for _, h := range coming {
		c, err := prep.takeHalf(ctx, h, img)
		if c != nil || err != nil {
			return c, "", err
		}
		why = "the sandbox that was being made did not come, or was another's"
	}
	return nil, why, nil
}

// freshImages are the images that the names in a job's plan stand for now.
type freshImages struct{ sidecar, helper, job engine.Image }

// freshImages makes sure that the engine has the images of the job's plan.
func (prep *preparation) freshImages(ctx context.Context) (img freshImages, err error) {
	g, gctx := group.WithContext(ctx)
	g.Go(func() (err error) {
		prep.cache.isNew, err = prep.cacheIsNew(gctx)
		return err
	})
	for c, to := range map[*plan.Container]*engine.Image{
		&prep.p.Sidecar.Container: &img.sidecar, &prep.p.Helper: &img.helper, &prep.p.Job.Container: &img.job,
	} {
		g.Go(func() (err error) {
			*to, err = prep.images.Ensure(gctx, c.Image)
			return err
		})
	}
	err = g.Wait() // img is complete only now
	return img, err
}

// errNotTaken says that another job has the sandbox.
var errNotTaken = errors.New("the sandbox is another job's")

// take claims a sandbox by creating the job container: the engine gives a name only once.
// It returns nil without an error if another job was first. A sandbox whose daemon does not
// answer is removed, and take returns nil. Where waits is false, the job does not wait for
// a young daemon either.
func (prep *preparation) take(ctx context.Context, a *ahead, img engine.Image) (*taken, error) {
	d, p := prep.d, prep.p.In(a.sandbox)
	c := &taken{plan: p, sidecar: a.sidecar}
	labels, boots := label.ForJob(p), a.young(time.Now()) && !prep.waits()
	if boots {
		labels[label.Booting] = "true"
	}
	c.job = prep.jobMade(p, labels, img)
	var unfit error
	g, gctx := group.WithContext(ctx)
	bounded, cancel := context.WithTimeoutCause(gctx, a.patience(p.Sidecar.ReadyTimeout, time.Now()), boot.ErrNotReady)
	defer cancel()
	asking, enough := context.WithCancel(bounded)
	defer enough()
	g.Go(func() (err error) {
		if boots {
			defer enough()
		}
		c.job.id, err = c.job.create(gctx, c.job.name, img)
		if errdefs.IsConflict(err) || errdefs.IsNotFound(err) {
			return errNotTaken
		}
		return createFault(p.Job.Container, err)
	})
	g.Go(func() error {
		var certs *boot.Certificates
		if certs, unfit = d.unused(bounded, a.sandbox, a.sidecar, p.Sidecar); unfit != nil {
			return nil
		}
		prep.certs = certs
		c.ready.Docker, unfit = d.boots.Wait(asking, a.sidecar, p, certs)
		if boots && unfit != nil && asking.Err() != nil && bounded.Err() == nil {
			c.ready.Booting, unfit = true, nil
		}
		return nil
	})
	err := g.Wait()
	switch {
	case errors.Is(err, errNotTaken):
		return nil, nil
	case err != nil:
		return nil, err
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case unfit != nil:
		return nil, d.removal.Sandbox(ctx, a.sandbox)
	}
	d.eng.Expect(a.all...)
	return c, nil
}

// unused reads the client's certificates that a waiting sidecar keeps; they are nil without
// TLS. A sidecar that a job has already had is an error.
func (d *Driver) unused(ctx context.Context, sandbox, sidecar string, s plan.Sidecar) (*boot.Certificates, error) {
	files, certs, err := d.boots.ClientFiles(ctx, sandbox, sidecar, s.TLS != nil)
	if err != nil {
		return nil, err
	}
	if _, used := files[path.Base(plan.UsedFile)]; used {
		return nil, fault.System(errors.New("a job has already used the sandbox"), "")
	}
	return certs, nil
}

// NoteUsed writes into the job's sidecar that a job has had it. Jobs do not wait for this
// note: until it exists, the job container itself is the sign.
func (d *Driver) NoteUsed(ctx context.Context, job string) error {
	found, err := d.find.Of(ctx, job)
	if err != nil {
		return err
	}
	used := engine.File{Path: plan.UsedFile, Mode: 0o644, Content: []byte(job + "\n")}
	if d.eng.WriteHere(ctx, label.ObjectName(found.Sandbox, plan.RoleCerts), path.Base(plan.UsedFile), used.Content, 0o644) == nil {
		return nil
	}
	sidecar, err := d.find.SidecarIn(ctx, found.Sandbox)
	if err != nil || sidecar.ID == "" {
		return err
	}
	ctx, cancel := d.eng.Uncut(ctx)
	defer cancel()
	return d.eng.PutFiles(ctx, sidecar.ID, []engine.File{used})
}

// move brings the job into its claimed sandbox.
func (prep *preparation) move(ctx context.Context, c *taken) (Ready, error) {
	p := c.plan
	prep.p = p
	close(prep.anchored)
	close(prep.certified)
	svc := prep.services()
	close(svc.answered)
	ready := c.ready
	ready.Warm = true
	answered := time.Now()
	g, gctx := group.WithContext(ctx)
	equipped := make(chan struct{})
	g.Go(func() error {
		defer close(equipped)
		return prep.equipJob(gctx, c.job.id)
	})
	g.Go(func() error { return prep.settleClaimed(gctx, c, equipped) })
	g.Go(func() (err error) {
		ready.Newer, err = prep.settleStarted(gctx, p.Sidecar.Image)
		return err
	})
	g.Go(func() error { return prep.helperWithCache(gctx) })
	g.Go(func() error { return prep.noteCache(gctx) })
	prep.startServices(gctx, g, svc)
	err := g.Wait()
	if err == nil && ctx.Err() != nil {
		err = fmt.Errorf("waiting for services: %w", ctx.Err())
	}
	ready.Services, ready.Warnings = svc.longer(answered), prep.warnings(svc)
	return ready, err
}

// settleClaimed waits for the registry's answer about the job container's image. If the
// registry has a newer image, it makes the equipped container anew. The sandbox is noted as
// used first, because for a moment no container has the name of the claim.
func (prep *preparation) settleClaimed(ctx context.Context, c *taken, equipped <-chan struct{}) error {
	img, err := prep.images.Settle(ctx, c.job.plan.Image)
	if err != nil || img.ID == c.job.image.ID {
		return err
	}
	select {
	case <-equipped:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := prep.d.NoteUsed(ctx, prep.p.Claim.Job); err != nil {
		return err
	}
	id, err := prep.renew(ctx, c.job, img)
	if err != nil {
		return err
	}
	return prep.equipJob(ctx, id)
}
