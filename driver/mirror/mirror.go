package mirror

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
	"gitlab-dind-executor/driver/removal"
	"gitlab-dind-executor/driver/span"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/wary"
)

// Bounds of work on the mirror.
const (
	// askEvery is the pause between two questions to a starting mirror.
	askEvery = 10 * time.Millisecond
	// pingBound bounds one question to the mirror.
	pingBound = 500 * time.Millisecond
	// mirrorStart bounds the start of the mirror, without the pull of its image.
	mirrorStart = 30 * time.Second
	// fresh is the time after its start in which a mirror may be silent.
	fresh = 10 * time.Second
)

// Keeper finds, makes, measures and removes the mirrors of an engine.
type Keeper struct {
	eng     *engine.Engine
	images  *images.Store
	bounds  *bounds.Bounds
	removal *removal.Remover
}

// New makes a Keeper for an engine.
func New(eng *engine.Engine, store *images.Store, limits *bounds.Bounds, remover *removal.Remover) *Keeper {
	return &Keeper{eng, store, limits, remover}
}

// ErrNone is returned when there is no mirror yet. StartMirror makes one.
var ErrNone = errors.New("it is not there yet")

// errNoMirrorImage means that the mirror's image must be pulled first.
var errNoMirrorImage = fmt.Errorf("%w: its image is not on this host", ErrNone)

// mirrorPort is the port inside the mirror's container, as in 5000/tcp.
var mirrorPort = strconv.Itoa(plan.MirrorPort) + "/tcp"

// Mirror finds the mirror for a job, and makes or starts one within bounds.MirrorPatience. On an
// error the job goes on without a mirror. After ErrNone the caller should run StartMirror later,
// where nobody waits.
func (k *Keeper) Mirror(ctx context.Context, m plan.Mirror) (*plan.MirrorAccess, error) {
	ctx, end := span.Begin(ctx, "mirror")
	defer end()
	if err := k.eng.Greet(ctx); err != nil {
		return nil, err
	}
	type answer struct {
		access *plan.MirrorAccess
		err    error
	}
	answered, bound := make(chan answer, 1), k.bounds.MirrorPatience
	go func() {
		ctx, cancel := context.WithTimeout(ctx, bound)
		defer cancel()
		access, err := k.mirror(ctx, m)
		answered <- answer{access, err}
	}()
	// The creation of a container is not cut off. Everything else ends before this timer does,
	// with a more exact reason.
	patience := time.NewTimer(bound + bound/10)
	defer patience.Stop()
	select {
	case a := <-answered:
		return a.access, a.err
	case <-patience.C:
		return nil, fmt.Errorf("%w: it takes more than %s", ErrNone, bound)
	}
}

// StartMirror makes or starts the mirror as needed, and returns when the mirror answers. The
// image is pulled if need be, and say receives lines about the pull.
func (k *Keeper) StartMirror(ctx context.Context, m plan.Mirror, say func(string)) (*plan.MirrorAccess, error) {
	if err := k.eng.Greet(ctx); err != nil {
		return nil, err
	}
	set := &images.Set{Store: k.images, Timeout: m.PullTimeout, Attempts: m.PullAttempts, Say: say}
	if _, err := set.Ensure(ctx, m.Image); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, mirrorStart)
	defer cancel()
	return k.mirror(ctx, m)
}

// mirror brings the mirror up from any state in which another hook has left it: each step may be
// done twice. The container's name is the claim. The loser of a race goes on with the winner's
// container.
func (k *Keeper) mirror(ctx context.Context, m plan.Mirror) (*plan.MirrorAccess, error) {
	for {
		c, err := k.eng.Container(ctx, m.Name)
		switch {
		case engine.Gone(err):
			if err := k.createMirror(ctx, m); err != nil && !errdefs.IsConflict(err) {
				return nil, err
			}
			if !bounds.Pause(ctx, askEvery) {
				return nil, ctx.Err()
			}
			continue
		case err != nil:
			return nil, k.eng.Explain("looking at the mirror", err)
		case c.Paused:
			return nil, fault.System(errors.New("its container "+m.Name+" is paused"), "docker unpause "+m.Name)
		case c.Running:
			return k.ask(ctx, c)
		case c.Status == engine.Created:
			if err := k.eng.PutFiles(ctx, c.ID, files(m)); err != nil {
				return nil, err
			}
		}
		if err := k.eng.Start(ctx, c.ID); err != nil {
			return nil, k.unstarted(ctx, m, c, err)
		}
		if c, err = k.eng.Container(ctx, c.ID); err != nil {
			return nil, k.eng.Explain("looking at the mirror", err)
		}
		return k.ask(ctx, c)
	}
}

// files are the files put into the mirror's container. Any user may read them, because nobody
// else gets into the container and the image's user is unknown.
func files(m plan.Mirror) []engine.File {
	files := []engine.File{{Path: plan.MirrorConfig, Mode: 0o644, Content: []byte(m.Config.Reveal())}}
	if m.CA != nil {
		files = append(files, engine.File{Path: plan.MirrorCA, Mode: 0o644, Content: m.CA})
	}
	return files
}

// createMirror creates the container. The mirror listens on the gateway address of the engine's
// default bridge. All sandboxes reach this address, since their own gateways are the same host,
// and nothing outside does. So the mirror is in no sandbox's network. No job reaches another
// through it, and no service alias of a job can pose as the registry behind it.
func (k *Keeper) createMirror(ctx context.Context, m plan.Mirror) error {
	img, err := k.eng.Image(ctx, m.Image)
	if engine.Gone(err) {
		return fmt.Errorf("%w (%s)", errNoMirrorImage, m.Image.Name)
	} else if err != nil {
		return k.eng.Explain("looking for image "+m.Image.Name, err)
	}
	gateway, err := k.HostAddress(ctx)
	if err != nil {
		return err
	}
	_, err = k.eng.Create(ctx, container(m, img, gateway, label.NewSandboxID()))
	return err
}

// container is the mirror's container. storage is a random id that makes the names of its volumes
// unique.
func container(m plan.Mirror, img engine.Image, gateway netip.Addr, storage string) engine.Spec {
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

// HostAddress is the address of the engine's host on its default bridge. All sandboxes reach this
// address, and nothing outside does.
func (k *Keeper) HostAddress(ctx context.Context) (netip.Addr, error) {
	bridge, err := k.eng.Network(ctx, engine.Bridge)
	if err != nil {
		return netip.Addr{}, k.eng.Explain("looking at the engine's default bridge", err)
	}
	return GatewayOf(bridge.Subnets)
}

// GatewayOf picks the IPv4 gateway of a bridge. Before the first use of the bridge engines report
// no gateway; the subnet's first address is the gateway then.
func GatewayOf(configs []engine.Subnet) (netip.Addr, error) {
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

// ask tells how to reach a running mirror. On a local engine ask also checks that the mirror
// answers. A mirror started less than fresh ago gets a moment for the answer.
func (k *Keeper) ask(ctx context.Context, c engine.Details) (*plan.MirrorAccess, error) {
	address := c.Published[mirrorPort]
	if address == "" || len(c.ID) < 12 {
		return nil, errors.New("it listens nowhere")
	}
	access := &plan.MirrorAccess{ID: c.ID[:12], URL: "http://" + address}
	if !k.eng.Local() {
		return access, nil
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var ended <-chan engine.Exit
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		err := ping(ctx, access.URL)
		if err == nil {
			access.Checked = true
			return access, nil
		}
		if c.Started.IsZero() || time.Since(c.Started) >= fresh {
			return nil, k.silent(ctx, c, err)
		}
		if ended == nil {
			ended, _ = k.eng.Wait(watching, c.ID, engine.NotRunning)
		}
		select {
		case <-tick.C:
		case <-ended:
			return nil, k.silent(ctx, c, err)
		case <-ctx.Done():
			return nil, k.silent(ctx, c, err)
		}
	}
}

// ping asks the mirror one question, never through a proxy.
func ping(ctx context.Context, url string) error {
	c := wary.Client(nil, pingBound)
	defer c.CloseIdleConnections()
	status, _, err := wary.Ask(ctx, c, url+"/v2/")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("status %d", status)
	}
	return err
}
