package driver

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"golang.org/x/sync/errgroup"

	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

// NewSandboxID makes a random id, 12 hex digits.
func NewSandboxID() string {
	var b [6]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// Ready tells what a prepared job has.
type Ready struct {
	// Docker is the inner daemon's version, e.g. "28.1.1"; empty if not known.
	Docker string
	// Services is how much longer than the inner daemon the services took.
	Services time.Duration
	// Warnings are lines for the job log, also when Prepare fails.
	Warnings []string
}

// preparation is one Prepare under way.
type preparation struct {
	d      *Driver
	p      *plan.Plan
	images *images
	certs  *certificates
	say    func(string)
	// sidecar is the plan's as it fits its image.
	sidecar plan.Sidecar
}

// Prepare makes the plan's sandbox and the job's containers. It returns when
// the inner daemon answers, and fails at once when the sidecar exits. What does
// not depend on each other is done side by side. A failed Prepare leaves its
// objects to Cleanup. say receives lines for the job log.
func (d *Driver) Prepare(ctx context.Context, p *plan.Plan, say func(string)) (Ready, error) {
	if err := d.greet(ctx); err != nil {
		return Ready{}, err
	}
	prep := &preparation{d: d, p: p, say: say, images: &images{d: d, timeout: p.PullTimeout, attempts: p.PullAttempts, say: say}}
	if p.Sidecar.TLS != nil {
		certs, err := newCertificates(*p.Sidecar.TLS, time.Now())
		if err != nil {
			return Ready{}, fmt.Errorf("making certificates: %w", err)
		}
		prep.certs = certs
	}

	caller := ctx
	g, ctx := errgroup.WithContext(ctx)
	anchored := make(chan struct{})
	g.Go(func() error {
		uncut, cancel := uncut(ctx)
		defer cancel()
		if err := d.createNetwork(uncut, p); err != nil {
			return err
		}
		close(anchored)
		return nil
	})
	// then does the rest of a container's way once image and anchor are there.
	then := func(c plan.Container, name string, labels map[string]string, next func(context.Context, string) error) {
		g.Go(func() error {
			img, err := prep.images.ensure(ctx, c.Image)
			if err != nil {
				return err
			}
			select {
			case <-anchored:
			case <-ctx.Done():
				return fmt.Errorf("waiting for the sandbox's network: %w", ctx.Err())
			}
			if c.Role == plan.RoleSidecar {
				if c, err = prep.fit(ctx, img); err != nil {
					return err
				}
			}
			id, err := d.createWith(ctx, p, c, name, labels, img)
			if err != nil {
				return createFault(c, err)
			}
			return next(ctx, id)
		})
	}
	var ready Ready
	var readyAt time.Time
	sb := p.Sandbox
	svc := &services{d: d, p: p, say: say, answered: make(chan struct{})}
	then(p.Sidecar.Container, objectName(sb, plan.RoleSidecar), sandboxLabels(p, plan.RoleSidecar),
		func(ctx context.Context, id string) (err error) {
			ready, err = prep.startSidecar(ctx, id)
			readyAt = time.Now()
			close(svc.answered)
			return err
		})
	then(p.Helper, objectName(sb, plan.RoleHelper), sandboxLabels(p, plan.RoleHelper), d.start(p.Helper))
	then(p.Job.Container, objectName(sb, plan.RoleJob), jobLabels(p), prep.startJob)
	for i, s := range p.Services {
		then(s, serviceName(sb, i), claimLabels(p, plan.RoleService), svc.start(s))
	}
	err := g.Wait() // before ready is read
	if err == nil && caller.Err() != nil {
		err = fmt.Errorf("waiting for services: %w", caller.Err())
	}
	ready.Services, ready.Warnings = svc.longer(readyAt), svc.warnings
	return ready, err
}

// createBound is how long one creation may take on a busy engine; tests
// shorten it.
var createBound = time.Minute

// uncut returns a context for a creation. It outlives its caller's: a request
// that is cut off is carried out all the same, and what it makes would come
// after cleanup has looked.
func uncut(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), createBound)
}

// create creates a container.
func (d *Driver) create(ctx context.Context, c created) (id string, err error) {
	if ctx.Err() != nil {
		return "", fmt.Errorf("creating container %s: %w", c.name, ctx.Err())
	}
	ctx, cancel := uncut(ctx)
	defer cancel()
	r, err := d.api.ContainerCreate(ctx, c.config, c.host, c.network, c.platform, c.name)
	if err != nil {
		return "", d.explain("creating container "+c.name, err)
	}
	return r.ID, nil
}

// createFault tells what the pipeline asked for in vain from faults of the
// engine.
func createFault(c plan.Container, err error) error {
	if strings.Contains(err.Error(), "Range of CPUs") { // this host has fewer
		return fault.System(err, "lower "+plan.LimitKey(c.Role)+".cpus in the settings")
	}
	// "Unknown runtime specified", from engine 23 on "unknown or invalid runtime name".
	if c.Rights.Runtime != "" && strings.Contains(strings.ToLower(err.Error()), "runtime") {
		return fault.System(fmt.Errorf("the engine has no runtime %q: %w", c.Rights.Runtime, err),
			"install it and name it under \"runtimes\" in the engine's daemon.json, or change sidecar.runtime")
	}
	if !errdefs.IsInvalidArgument(err) || strings.Contains(err.Error(), "capabilit") {
		return err
	}
	err = fmt.Errorf("image %s: %w", c.Image.Name, err)
	admins := c.Role == plan.RoleHelper || c.Role == plan.RoleSidecar && c.Entrypoint == nil && c.Command == nil
	if admins {
		return fault.System(err, "check "+string(c.Role)+".image and what concerns it in the settings")
	}
	return fault.Job(err, "check entrypoint, command and user in the pipeline")
}

// start returns what starts a container of the plan.
func (d *Driver) start(c plan.Container) func(context.Context, string) error {
	return func(ctx context.Context, id string) error {
		err := d.explain("starting the "+string(c.Role)+" container",
			d.api.ContainerStart(ctx, id, container.StartOptions{}))
		if err != nil && strings.Contains(err.Error(), "gathering device information") {
			return fault.System(err, "this host lacks a device that the sidecar needs: load the kernel modules tun and fuse")
		}
		return startFault(c.Image.Name, err)
	}
}

// startFault gives the hint for an image that lacks what it is told to run.
func startFault(image string, err error) error {
	switch {
	case err == nil:
		return nil
	case strings.Contains(err.Error(), "executable file not found"), strings.Contains(err.Error(), "no such file or directory"):
		return fault.Job(fmt.Errorf("image %s: %w", image, err),
			"a job's image needs bash or sh in its PATH, and its ENTRYPOINT must exist")
	case strings.Contains(err.Error(), "unable to find user"):
		return fault.Job(fmt.Errorf("image %s: %w", image, err), "the image has no such user")
	}
	return err
}

// startJob puts the client's certificates into the job container and starts
// it if it may start early.
func (prep *preparation) startJob(ctx context.Context, id string) error {
	var files []file
	if prep.certs != nil {
		for _, dir := range prep.p.Job.CertDirs {
			files = append(files, prep.certs.clientFiles(dir)...)
		}
	}
	files = append(files, registryCAs(plan.ConfigDir, prep.p.Job.RegistryCAs)...)
	if err := prep.d.putFiles(ctx, id, files); err != nil {
		return err
	}
	if !prep.p.Job.Early {
		return nil
	}
	return prep.d.start(prep.p.Job.Container)(ctx, id)
}

// startSidecar gives the inner daemon its files, starts it and waits until it
// answers.
func (prep *preparation) startSidecar(ctx context.Context, id string) (Ready, error) {
	d, s := prep.d, prep.sidecar
	daemonConfigPath := path.Join(s.ConfigDir(), "daemon.json")
	image, err := d.readFile(ctx, id, daemonConfigPath)
	if err != nil {
		return Ready{}, err
	}
	config, err := plan.MergeDaemonConfig(s.DaemonConfig, image)
	if err != nil {
		return Ready{}, err
	}
	var files []file
	if s.FastBoot {
		files = append(files, file{path: plan.ContainerdConfig, mode: 0o644, content: []byte(plan.ContainerdTOML)})
	}
	if config != nil {
		files = append(files, file{path: daemonConfigPath, mode: 0o644, content: config})
	}
	if prep.certs != nil {
		files = append(files, prep.certs.serverFiles(certDir)...)
	}
	files = append(files, registryCAs(s.ConfigDir(), s.RegistryCAs)...)
	for i := range files {
		files[i].uid = s.Owner()
	}
	if err := d.putFiles(ctx, id, files); err != nil {
		return Ready{}, err
	}
	if err := d.start(s.Container)(ctx, id); err != nil {
		return Ready{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.ReadyTimeout, errNotReady)
	defer cancel()
	return d.waitReady(ctx, id, prep.p, prep.certs)
}

// registryCAs puts each CA where docker, and what follows its ways, looks for
// it below its directory of configuration.
func registryCAs(configDir string, cas map[string][]byte) []file {
	var files []file
	for _, host := range slices.Sorted(maps.Keys(cas)) {
		files = append(files, file{path: caPath(configDir, host), mode: 0o644, content: cas[host]})
	}
	return files
}

// caPath is where docker looks for the CA of a registry.
func caPath(configDir, host string) string { return path.Join(configDir, "certs.d", host, "ca.crt") }

const certDir = "/certs"

var errNotReady = errors.New("the docker daemon of this job did not answer in time")
