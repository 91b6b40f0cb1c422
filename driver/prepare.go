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

// Ready describes a prepared job.
type Ready struct {
	// Docker is the inner daemon's version, e.g. "28.1.1"; empty if not known.
	Docker string
	// Booting says that the inner daemon does not answer yet. The first script waits for
	// it.
	Booting bool
	// Warm says that the sandbox was made ahead. Cold is the reason why not; it is empty
	// where the settings make no sandboxes ahead.
	Warm bool
	Cold string
	// Bare says that the job began in a bare sandbox.
	Bare bool
	// Layers says that the daemon has the layers of earlier jobs.
	Layers bool
	// Sandbox is the sandbox's id. It is also set when Prepare fails in a claimed sandbox.
	Sandbox string
	// Containers are the ids of the job's containers, for Expect.
	Containers []string
	// Pulls are the fetched images. They are also set when Prepare fails.
	Pulls images.Pulls
	// Images are the images named by the pipeline. They are also set when Prepare fails.
	Images []images.UsedImage
	// Services is how much longer the services took than the inner daemon.
	Services time.Duration
	// Newer are images of which the registry has a newer version. The registry answered
	// after the sidecar, or the helper of a bare sandbox, had started, so the job keeps the
	// older.
	Newer []plan.ImageRef
	// Warnings are lines for the job log. They are also set when Prepare fails.
	Warnings []string
}

// preparation is a call of Prepare under way.
type preparation struct {
	d      *Driver
	p      *plan.Plan
	images *images.Set
	// certs may be read when certified is closed.
	certs     *boot.Certificates
	certified chan struct{}
	say       func(string)
	// sidecar is the plan's sidecar, adapted to its image.
	sidecar plan.Sidecar
	// anchored is closed when the sandbox's network exists.
	anchored chan struct{}
	// seen is called before anchored closes, when others can see the network; it may be
	// nil.
	seen func(context.Context)
	// subnet is the subnet of the network that this preparation has made.
	subnet netip.Prefix
	// copyCAs says that the job container gets copies of the registries' CAs, not mounts.
	copyCAs bool
	cache   jobCache
	// bare is the bare sandbox in which the job begins, or nil. claimed says that its job
	// container exists, so a cleanup finds the sandbox.
	bare    *bare
	claimed atomic.Bool
}

func (d *Driver) preparation(p *plan.Plan, say func(string)) *preparation {
	return &preparation{
		d: d, p: p, say: say, anchored: make(chan struct{}), certified: make(chan struct{}),
		images: &images.Set{Store: d.images, Timeout: p.PullTimeout, Attempts: p.PullAttempts, Say: say, Asking: d.images.Asking(say), MaxSize: p.PullMaxSize, Slots: images.Slots(p.PullParallel)},
	}
}

// Prepare makes the job's containers, in a waiting sandbox of its kind or in a new sandbox.
// It returns when all containers exist and the inner daemon boots; AwaitDaemon waits for
// the rest. Where services are probed, it returns only when the daemon answers, and fails
// at once when the sidecar exits.
//
// All independent steps run side by side, also the questions to registries. The job
// container and the services start only after the registry has answered about their images.
//
// A failed Prepare leaves its objects to Cleanup. say receives lines for the job log.
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

// build makes a sandbox for the job alone, or adds to a bare sandbox all that is missing.
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
	err := g.Wait() // ready is complete only now
	if err == nil && caller.Err() != nil {
		err = fmt.Errorf("waiting for services: %w", caller.Err())
	}
	ready.Services, ready.Warnings, ready.Newer = svc.longer(readyAt), prep.warnings(svc), newer
	return ready, err
}

// waits tells whether Prepare waits until the inner daemon answers. A sandbox made ahead is
// offered only with a daemon that answers. With probed services the job waits, too: their
// timeout would otherwise run while the daemon boots.
func (prep *preparation) waits() bool {
	p := prep.p
	return p.Claim.Job == "" || len(p.Services) > 0 && p.ServicesReady.Timeout > 0
}

// certify makes the sandbox's certificates, if the plan has TLS. It waits for the subnet,
// because the certificates contain the sidecar's address.
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
	if err := <-made; err != nil { // key generation is short and needs no cancel
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

// certificates waits for the sandbox's certificates. It returns nil without TLS.
func (prep *preparation) certificates(ctx context.Context) (*boot.Certificates, error) {
	select {
	case <-prep.certified:
		return prep.certs, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for certificates: %w", ctx.Err())
	}
}

// anchor makes the sandbox's network, and closes anchored.
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

// container creates a container of the plan once its image and the network exist. next then
// goes on with the container's id, and begins with its start.
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

// place returns a container's image once the image and the network exist.
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

// clientFiles returns the client's certificates, once for each directory. The directories
// are in a container, and no mounts.
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

// equipJob copies files into the job container, for folders that the job does not share
// with the sidecar. The container starts later: with the sources, or with its first script.
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
