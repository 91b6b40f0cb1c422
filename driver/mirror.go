package driver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/containerd/errdefs"

	"gitlab-dind-executor/driver/bounds"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/images"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/span"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/wary"
)

// Bounds of the mirror.
const (
	// mirrorPing bounds one question to it.
	mirrorPing = 500 * time.Millisecond
	// mirrorStart bounds its start, without the pull of its image.
	mirrorStart = 30 * time.Second
	// mirrorFresh is how long after its start it may be silent.
	mirrorFresh = 10 * time.Second
)

// ErrNoMirror says that there is no mirror yet, and that StartMirror makes it.
var ErrNoMirror = errors.New("it is not there yet")

// errNoMirrorImage says that the mirror's image must be pulled first.
var errNoMirrorImage = fmt.Errorf("%w: its image is not on this host", ErrNoMirror)

// mirrorPort is where it listens in its container.
var mirrorPort = strconv.Itoa(plan.MirrorPort) + "/tcp"

// Mirror finds the mirror for a job, and makes or starts it where that is a
// matter of a second; a job waits no longer. An error means that the job goes on
// without; with ErrNoMirror, StartMirror should be run where it may take its
// time.
func (d *Driver) Mirror(ctx context.Context, m plan.Mirror) (*plan.MirrorAccess, error) {
	ctx, end := span.Begin(ctx, "mirror")
	defer end()
	if err := d.eng.Greet(ctx); err != nil {
		return nil, err
	}
	type answer struct {
		access *plan.MirrorAccess
		err    error
	}
	answered, bound := make(chan answer, 1), d.bounds.MirrorPatience
	go func() {
		ctx, cancel := context.WithTimeout(ctx, bound)
		defer cancel()
		access, err := d.mirror(ctx, m)
		answered <- answer{access, err}
	}()
	// A creation is not cut off, all else ends before, with a better reason.
	patience := time.NewTimer(bound + bound/10)
	defer patience.Stop()
	select {
	case a := <-answered:
		return a.access, a.err
	case <-patience.C:
		return nil, fmt.Errorf("%w: it takes more than %s", ErrNoMirror, bound)
	}
}

// StartMirror makes the mirror if it is not there, starts it if it does not run,
// pulls its image if need be, and returns when it answers. say receives lines
// about pulls.
func (d *Driver) StartMirror(ctx context.Context, m plan.Mirror, say func(string)) (*plan.MirrorAccess, error) {
	if err := d.eng.Greet(ctx); err != nil {
		return nil, err
	}
	images := &images.Set{Store: d.images, Timeout: m.PullTimeout, Attempts: m.PullAttempts, Say: say}
	if _, err := images.Ensure(ctx, m.Image); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, mirrorStart)
	defer cancel()
	return d.mirror(ctx, m)
}

// mirror goes on from wherever the mirror is, or another hook has left it: each
// step may be done twice. Its name is the claim: who loses goes on with what the
// winner has made.
func (d *Driver) mirror(ctx context.Context, m plan.Mirror) (*plan.MirrorAccess, error) {
	for {
		c, err := d.eng.Container(ctx, m.Name)
		switch {
		case engine.Gone(err):
			if err := d.createMirror(ctx, m); err != nil && !errdefs.IsConflict(err) {
				return nil, err
			}
			if !bounds.Pause(ctx, pingEvery) {
				return nil, ctx.Err()
			}
			continue
		case err != nil:
			return nil, d.eng.Explain("looking at the mirror", err)
		case c.Paused:
			return nil, fault.System(errors.New("its container "+m.Name+" is paused"), "docker unpause "+m.Name)
		case c.Running:
			return d.askMirror(ctx, c)
		case c.Status == engine.Created:
			if err := d.eng.PutFiles(ctx, c.ID, mirrorFiles(m)); err != nil {
				return nil, err
			}
		}
		if err := d.eng.Start(ctx, c.ID); err != nil {
			return nil, d.eng.Explain("starting the mirror", err)
		}
		if c, err = d.eng.Container(ctx, c.ID); err != nil {
			return nil, d.eng.Explain("looking at the mirror", err)
		}
		return d.askMirror(ctx, c)
	}
}

// mirrorFiles are what its container gets besides its image. Nobody gets in
// there, so that they can be for any user that the image has.
func mirrorFiles(m plan.Mirror) []engine.File {
	files := []engine.File{{Path: plan.MirrorConfig, Mode: 0o644, Content: []byte(m.Config.Reveal())}}
	if m.CA != nil {
		files = append(files, engine.File{Path: plan.MirrorCA, Mode: 0o644, Content: m.CA})
	}
	return files
}

// createMirror creates its container. It listens on the gateway address of the
// engine's default bridge, which all sandboxes reach, their own gateway being the
// same host, and nothing from outside does. So it is in no sandbox's network:
// no job gets from one to another through it, and no name that a job gives to
// its services can stand for the registry behind it.
func (d *Driver) createMirror(ctx context.Context, m plan.Mirror) error {
	img, err := d.eng.Image(ctx, m.Image)
	if engine.Gone(err) {
		return fmt.Errorf("%w (%s)", errNoMirrorImage, m.Image.Name)
	} else if err != nil {
		return d.eng.Explain("looking for image "+m.Image.Name, err)
	}
	gateway, err := d.HostAddress(ctx)
	if err != nil {
		return err
	}
	_, err = d.eng.Create(ctx, mirrorContainer(m, img, gateway, label.NewSandboxID()))
	return err
}

// mirrorContainer is the mirror's container; storage makes its volumes' names
// its own.
func mirrorContainer(m plan.Mirror, img engine.Image, gateway netip.Addr, storage string) engine.Spec {
	port := ""
	if m.Port > 0 {
		port = strconv.Itoa(m.Port)
	}
	volumes := []engine.Mount{{Volume: "dind-mirror-" + storage + "-data", Target: plan.MirrorStorage, Labels: label.ForMirror(m)}}
	for i, v := range img.Volumes {
		if v != plan.MirrorStorage {
			volumes = append(volumes, engine.Mount{Volume: fmt.Sprintf("dind-mirror-%s-v%d", storage, i), Target: v, Labels: label.ForMirror(m)})
		}
	}
	return engine.Published{
		Name: m.Name, Image: m.Image, Of: img, Labels: label.ForMirror(m), Command: []string{plan.MirrorConfig}, Environment: m.Environment,
		ExtraHosts: m.ExtraHosts, Mounts: volumes, Port: mirrorPort, HostIP: gateway.String(), HostPort: port,
	}.Spec()
}

// HostAddress is the address of the engine's host on its default bridge, under
// which all sandboxes reach it and nothing from outside does.
func (d *Driver) HostAddress(ctx context.Context) (netip.Addr, error) {
	bridge, err := d.eng.Network(ctx, engine.Bridge)
	if err != nil {
		return netip.Addr{}, d.eng.Explain("looking at the engine's default bridge", err)
	}
	return gatewayOf(bridge.Subnets)
}

// gatewayOf picks the IPv4 gateway of a bridge. Engines leave it empty until the
// bridge was used for the first time; it is then the subnet's first address.
func gatewayOf(configs []engine.Subnet) (netip.Addr, error) {
	for _, c := range configs {
		if a, err := netip.ParseAddr(c.Gateway); err == nil && a.Is4() {
			return a, nil
		}
	}
	for _, c := range configs {
		if p, err := netip.ParsePrefix(c.Subnet); err == nil && p.Addr().Is4() {
			return p.Masked().Addr().Next(), nil
		}
	}
	return netip.Addr{}, fault.System(errors.New("the engine's default bridge has no IPv4 address"),
		`sandboxes reach their host by the engine's default bridge: take "bridge": "none" out of its daemon.json`)
}

// askMirror tells how a running mirror is reached, and whether it answers where
// that can be asked from here. One that has just started may take a moment.
func (d *Driver) askMirror(ctx context.Context, c engine.Details) (*plan.MirrorAccess, error) {
	address := c.Published[mirrorPort]
	if address == "" || len(c.ID) < 12 {
		return nil, errors.New("it listens nowhere")
	}
	access := &plan.MirrorAccess{ID: c.ID[:12], URL: "http://" + address}
	if !d.eng.Local() {
		return access, nil
	}
	var err error
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		if err = pingMirror(ctx, access.URL); err == nil {
			access.Checked = true
			return access, nil
		}
		fresh := !c.Started.IsZero() && time.Since(c.Started) < mirrorFresh
		if fresh {
			select {
			case <-tick.C:
				continue
			case <-ctx.Done():
			}
		}
		return nil, fault.System(fmt.Errorf("it does not answer: %w", err),
			"docker logs "+c.Name+" may tell why; gitlab-dind-executor mirror remove makes room for a new one")
	}
}

// pingMirror asks once. No proxy lies between.
func pingMirror(ctx context.Context, url string) error {
	c := wary.Client(nil, mirrorPing)
	defer c.CloseIdleConnections()
	status, _, err := wary.Ask(ctx, c, url+"/v2/")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("status %d", status)
	}
	return err
}
