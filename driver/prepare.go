package driver

import (
	"context"
	"crypto"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"gitlab-dind-executor/driver/boot"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/images"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/group"
)

// Ready tells what a prepared job has.
type Ready struct {
	// Docker is the inner daemon's version, e.g. "28.1.1"; empty if not known.
	Docker string
	// Booting says that the inner daemon does not answer yet: its first script
	// waits for it.
	Booting bool
	// Warm says that the sandbox was made ahead. Cold is why not, where one could
	// have been.
	Warm bool
	Cold string
	// Bare says that it began in a bare sandbox.
	Bare bool
	// Layers says that the daemon has the layers of earlier jobs.
	Layers bool
	// Sandbox is its id, also when Prepare fails in one that was claimed.
	Sandbox string
	// Containers are the ids of the job's, for Expect.
	Containers []string
	// Pulls are the images that were fetched, also when Prepare fails.
	Pulls images.Pulls
	// Images are those that the pipeline named, by name; also when Prepare fails.
	Images []images.UsedImage
	// Services is how much longer than the inner daemon the services took.
	Services time.Duration
	// Newer are images that the registry has another of than the job: those of a
	// sidecar, which booted before it was known.
	Newer []plan.ImageRef
	// Warnings are lines for the job log, also when Prepare fails.
	Warnings []string
}

// preparation is one Prepare under way.
type preparation struct {
	d      *Driver
	p      *plan.Plan
	images *images.Set
	// certs are there when certified is closed.
	certs     *boot.Certificates
	certified chan struct{}
	say       func(string)
	// sidecar is the plan's as it fits its image.
	sidecar plan.Sidecar
	// anchored is closed when the sandbox's network is there.
	anchored chan struct{}
	// seen is called before, when others can see the network; nil for nothing.
	seen func(context.Context)
	// subnet is the network's, when that is there and this preparation has made it.
	subnet netip.Prefix
	// copyCAs says that the job container has no mounts with the CAs of registries.
	copyCAs bool
	cache   jobCache
	// bare is the bare sandbox that the job begins in, if it does. claimed says that
	// its job container is there, by which a cleanup finds it.
	bare    *bare
	claimed atomic.Bool
}

func (d *Driver) preparation(p *plan.Plan, say func(string)) *preparation {
	return &preparation{
		d: d, p: p, say: say, anchored: make(chan struct{}), certified: make(chan struct{}),
		images: &images.Set{Store: d.images, Timeout: p.PullTimeout, Attempts: p.PullAttempts, Say: say, Asking: d.images.Asking(say), MaxSize: p.PullMaxSize, Slots: images.Slots(p.PullParallel)},
	}
}

// Prepare makes the job's containers, in a sandbox that was made ahead for jobs
// of its kind or in one of its own. It returns when all of them are there and the
// inner daemon boots; AwaitDaemon waits for the rest. Where services need the
// daemon before, or it has the layers of earlier jobs, it returns when that
// answers, and fails at once when the sidecar exits. What does not depend on each
// other is done side by side, and so are the questions to registries: whatever an
// image's answer, its job container and services have not started before. A failed Prepare leaves its objects to Cleanup. say
// receives lines for the job log.
func (d *Driver) Prepare(ctx context.Context, p *plan.Plan, say func(string)) (Ready, error) {
	if err := d.eng.Greet(ctx); err != nil {
		return Ready{}, err
	}
	prep := d.preparation(p, say)
	var cold string
	if p.Pool.Size > 0 {
		claimed, why, err := prep.claim(ctx)
		if err != nil {
			return Ready{Pulls: prep.images.Pulled()}, err
		}
		if claimed != nil {
			ready, err := prep.move(ctx, claimed)
			ready.Sandbox, ready.Pulls = claimed.plan.Sandbox, prep.images.Pulled()
			ready.Images, ready.Containers = prep.images.Named(), d.eng.ExpectedIDs()
			return ready, err
		}
		cold = why
	}
	if err := prep.beginBare(ctx); err != nil {
		return Ready{Pulls: prep.images.Pulled()}, err
	}
	ready, err := prep.build(ctx)
	err = prep.leaveBare(ctx, err)
	ready.Cold, ready.Bare = cold, prep.bare != nil
	ready.Sandbox, ready.Pulls = prep.p.Sandbox, prep.images.Pulled()
	ready.Images, ready.Containers = prep.images.Named(), d.eng.ExpectedIDs()
	return ready, err
}

// build makes a sandbox for the job alone, or what a bare one lacks.
func (prep *preparation) build(ctx context.Context) (Ready, error) {
	d, p := prep.d, prep.p
	caller := ctx
	g, ctx := group.WithContext(ctx)
	g.Go(func() error { return prep.certify(ctx) })
	if prep.bare == nil {
		g.Go(func() error { return prep.anchor(ctx, label.Claim(p.Claim)) })
	} else {
		prep.subnet = prep.bare.subnet
		close(prep.anchored)
	}
	svc := prep.services()
	var ready Ready
	var readyAt time.Time
	g.Go(func() (err error) {
		ready, err = prep.daemon(ctx, label.ForSidecar(p), prep.startSidecar)
		readyAt = time.Now()
		close(svc.answered)
		return err
	})
	var newer []plan.ImageRef
	g.Go(func() (err error) {
		newer, err = prep.settleAhead(ctx)
		return err
	})
	g.Go(func() error { return prep.noteCache(ctx) })
	g.Go(func() error { return prep.relay(ctx) })
	g.Go(func() error {
		if prep.bare != nil {
			return prep.helperWithCache(ctx)
		}
		return prep.container(ctx, p.Helper, label.ObjectName(p.Sandbox, plan.RoleHelper), label.ForSandbox(p, plan.RoleHelper), d.start(p.Helper))
	})
	g.Go(func() error {
		l := label.ForJob(p)
		if !prep.waits() {
			l[label.Booting] = "true"
		}
		img, err := prep.place(ctx, p.Job.Container)
		if err != nil {
			return err
		}
		prep.placeCAs(ctx, p)
		m := prep.jobMade(p, l, img)
		if m.id, err = m.create(ctx, m.name, img); err != nil {
			return createFault(m.plan, err)
		}
		prep.claimed.Store(true)
		if err := prep.equipJob(ctx, m.id); err != nil {
			return err
		}
		renewed, err := prep.settle(ctx, m)
		if err != nil || renewed == m.id {
			return err
		}
		return prep.equipJob(ctx, renewed)
	})
	prep.startServices(ctx, g, svc)
	err := g.Wait() // before ready is read
	if err == nil && caller.Err() != nil {
		err = fmt.Errorf("waiting for services: %w", caller.Err())
	}
	ready.Services, ready.Warnings, ready.Newer = svc.longer(readyAt), prep.warnings(svc), newer
	return ready, err
}

// waits tells whether the inner daemon must answer before prepare is done. A
// sandbox made ahead must, and so must one for services: they are given time for
// as long as it boots. One on cached layers may have to be made again.
func (prep *preparation) waits() bool {
	p := prep.p
	return p.Claim.Job == "" || len(p.Services) > 0 && p.ServicesReady.Timeout > 0
}

// certify makes the sandbox's certificates, if its plan has TLS, once its subnet is
// known: the sidecar's address is in them.
func (prep *preparation) certify(ctx context.Context) error {
	s := prep.p.Sidecar
	if s.TLS == nil {
		close(prep.certified)
		return nil
	}
	var key crypto.Signer
	made := make(chan error, 1)
	go func() {
		made <- group.Guard(func() (err error) {
			key, err = boot.NewClientKey(s.TLS.RSA)
			return err
		})
	}()
	select {
	case <-prep.anchored:
	case <-ctx.Done():
		return fmt.Errorf("waiting for the sandbox's network: %w", ctx.Err())
	}
	if err := <-made; err != nil { // it ends by itself, and soon
		return fmt.Errorf("making certificates: %w", err)
	}
	var own []string
	if s.Hostname != "" {
		own = append(own, s.Hostname)
	}
	certs, err := boot.NewCertificates(*s.TLS, key, own, s.At(prep.subnet, prep.p.Network).Addresses(), time.Now())
	if err != nil {
		return fmt.Errorf("making certificates: %w", err)
	}
	prep.certs = certs
	close(prep.certified)
	return nil
}

// certificates are the sandbox's once they are there, nil without TLS.
func (prep *preparation) certificates(ctx context.Context) (*boot.Certificates, error) {
	select {
	case <-prep.certified:
		return prep.certs, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for certificates: %w", ctx.Err())
	}
}

// anchor makes the sandbox's network.
func (prep *preparation) anchor(ctx context.Context, labels map[string]string) error {
	ctx, cancel := prep.d.eng.Uncut(ctx)
	defer cancel()
	subnet, err := prep.d.createNetwork(ctx, prep.p, labels)
	if err != nil {
		return err
	}
	prep.subnet = subnet
	if prep.seen != nil {
		prep.seen(ctx)
	}
	close(prep.anchored)
	return nil
}

// container creates one of the plan's containers once its image and the anchor
// are there, and then does the rest of its way, which begins by starting it.
func (prep *preparation) container(ctx context.Context, c plan.Container, name string, labels map[string]string, next func(context.Context, string) error) error {
	img, err := prep.place(ctx, c)
	if err != nil {
		return err
	}
	if c, err = prep.withCache(ctx, c); err != nil {
		return err
	}
	m := made{plan: c, name: name, image: img, create: func(ctx context.Context, name string, img engine.Image) (string, error) {
		return prep.d.createWith(ctx, prep.p, c, name, labels, img)
	}}
	if m.id, err = m.create(ctx, name, img); err != nil {
		return createFault(c, err)
	}
	if m.id, err = prep.settle(ctx, m); err != nil {
		return err
	}
	return next(ctx, m.id)
}

// place returns a container's image once that and the anchor are there.
func (prep *preparation) place(ctx context.Context, c plan.Container) (engine.Image, error) {
	img, err := prep.images.Ensure(ctx, c.Image)
	if err != nil {
		return img, err
	}
	select {
	case <-prep.anchored:
		return img, nil
	case <-ctx.Done():
		return img, fmt.Errorf("waiting for the sandbox's network: %w", ctx.Err())
	}
}

func (prep *preparation) services() *services {
	return &services{d: prep.d, p: prep.p, say: prep.say, answered: make(chan struct{})}
}

func (prep *preparation) startServices(ctx context.Context, g *group.Group, svc *services) {
	p := prep.p
	for i, s := range p.Services {
		g.Go(func() error {
			return prep.container(ctx, s, label.ServiceName(p.Sandbox, i), label.ForClaim(p, plan.RoleService), func(ctx context.Context, id string) error {
				files, err := prep.clientFiles(ctx, s.CertDirs)
				if err != nil {
					return err
				}
				if err := prep.d.eng.PutFiles(ctx, id, files); err != nil {
					return err
				}
				return svc.start(s)(ctx, id)
			})
		})
	}
}

// clientFiles are the client's certificates for directories of a container that are
// no mounts.
func (prep *preparation) clientFiles(ctx context.Context, dirs []string) ([]engine.File, error) {
	if len(dirs) == 0 {
		return nil, nil
	}
	certs, err := prep.certificates(ctx)
	if err != nil || certs == nil {
		return nil, err
	}
	var files []engine.File
	for _, dir := range dirs {
		files = append(files, certs.ClientFiles(dir)...)
	}
	return files, nil
}

// equipJob puts into the job container what it does not share with the sidecar.
// It is started later: with the sources, or with its first script.
func (prep *preparation) equipJob(ctx context.Context, id string) error {
	files, err := prep.clientFiles(ctx, prep.p.Job.CertDirs)
	if err != nil {
		return err
	}
	if prep.copyCAs {
		files = append(files, registryCAs(plan.ConfigDir, prep.p.Job.RegistryCAs)...)
	}
	return prep.d.eng.PutFiles(ctx, id, files)
}
