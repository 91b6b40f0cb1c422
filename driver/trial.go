package driver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"gitlab-dind-executor/driver/boot"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/mirror"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/sandbox"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/pattern"
	"gitlab-dind-executor/wary"
)

// Trial holds the results of a sandbox that was made only to try the host.
type Trial struct {
	// Docker is the inner daemon's version; empty if not known.
	Docker string
	// Boot is the time from nothing to an answering daemon, Build the time of a first small
	// build.
	Boot, Build time.Duration
	// Tool is the version of the Runner's program in the helper, or empty if unknown.
	// HasTool says that the helper has the program.
	Tool    string
	HasTool bool
	// Reach tells whether a sandbox reaches services of this host. Reach6 tells the same
	// for IPv6; it stays unknown where sandboxes have no IPv6.
	Reach, Reach6 Reach
}

// Reach is the knowledge about a way in the network.
type Reach int

// The values of Reach.
const (
	// ReachUnknown says that the way could not be tried from here.
	ReachUnknown Reach = iota
	// ReachOpen says that the way leads to its end.
	ReachOpen
	// ReachClosed says that the way is blocked.
	ReachClosed
)

const (
	// trialBound is how long a trial's sandbox may exist.
	trialBound = 10 * time.Minute
	// reachBound limits a dial from the helper. Where nothing answers, a dial takes a
	// second, and longer on a busy host.
	reachBound = 15 * time.Second
)

// Try makes a sandbox as for a job, builds an image in it, and removes it.
func (d *Driver) Try(ctx context.Context, p *plan.Plan) (t Trial, err error) {
	ctx, cancel := context.WithTimeout(ctx, trialBound)
	defer cancel()
	p = p.In(label.NewSandboxID())
	p.Spec = "trial-" + p.Sandbox // no job's plan has this spec
	p.Pool = plan.Pool{Size: 1, MaxAge: trialBound, Serves: trialBound}
	began := time.Now()
	ready, err := d.makeAhead(ctx, p, d.yielding(), func() {})
	if err != nil {
		return t, err
	}
	defer func() {
		ctx, cancel := d.bounds.Clearing(ctx)
		defer cancel()
		if removeErr := d.removal.Sandbox(ctx, p.Sandbox); err == nil {
			err = removeErr
		}
	}()
	t.Docker, t.Boot = ready.Docker, time.Since(began)
	began = time.Now()
	if err := d.tryBuild(ctx, p); err != nil {
		return t, err
	}
	t.Build = time.Since(began)
	t.Tool, t.HasTool = d.helperTool(ctx, p.Sandbox)
	t.Reach = d.reachOfHost(ctx, p.Sandbox, mirror.GatewayOf)
	if p.Network.Pool6.IsValid() {
		t.Reach6 = d.reachOfHost(ctx, p.Sandbox, gateway6Of)
	}
	return t, nil
}

// tryScript builds an image without access to any registry.
const tryScript = `cd "$(mktemp -d)" && echo hello >file && printf 'FROM scratch\nCOPY file /\n' >Dockerfile && docker build -q .`

func (d *Driver) tryBuild(ctx context.Context, p *plan.Plan) error {
	sidecar, err := d.find.SidecarIn(ctx, p.Sandbox)
	if err != nil || sidecar.ID == "" {
		return errors.Join(err, sandbox.ErrGone)
	}
	out := wary.Buffer{Most: engine.MaxPrinted}
	code, err := d.eng.Run(ctx, sidecar.ID, boot.WithClient(p.Sidecar, tryScript), nil, &out)
	if err != nil {
		return err
	}
	if code != 0 {
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		return fault.System(fmt.Errorf("a build in the docker daemon of a job ended with code %d: %s", code, lines[len(lines)-1]),
			"look at the last lines of the daemon: run a job, then gitlab-dind-executor explain")
	}
	return nil
}

var toolVersion = pattern.New(`(?m)^Version: *(\S+)$`)

// helperTool asks the Runner's program in a sandbox's helper for its version.
func (d *Driver) helperTool(ctx context.Context, sandbox string) (version string, there bool) {
	out := wary.Buffer{Most: engine.MaxPrinted}
	code, err := d.eng.Run(ctx, label.ObjectName(sandbox, plan.RoleHelper), []string{"sh", "-c", "gitlab-runner --version </dev/null 2>/dev/null"}, nil, &out)
	if err != nil || code != 0 {
		return "", false
	}
	if m := toolVersion.FindStringSubmatch(out.String()); m != nil {
		version = wary.Version(m[1])
	}
	return version, true
}

// reachOfHost lets the sandbox's helper dial a port where this process listens. The port is
// on the sandbox's gateway, which is this host if the engine is local.
func (d *Driver) reachOfHost(ctx context.Context, sandbox string, gatewayOf func([]engine.Subnet) (netip.Addr, error)) Reach {
	if !d.eng.Local() {
		return ReachUnknown
	}
	n, err := d.eng.Network(ctx, label.NetworkName(sandbox))
	if err != nil {
		return ReachUnknown
	}
	gateway, err := gatewayOf(n.Subnets)
	if err != nil {
		return ReachUnknown
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(gateway.String(), "0"))
	if err != nil {
		return ReachUnknown // the gateway is not in this process's own network: the process is in a container
	}
	defer l.Close()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	ctx, cancel := context.WithTimeout(ctx, reachBound)
	defer cancel()
	return reachBy(d.eng.Run(ctx, label.ObjectName(sandbox, plan.RoleHelper), []string{"sh", "-c", dialScript, gateway.String(), port}, nil, io.Discard))
}

// gateway6Of returns the gateway of a network's IPv6 subnet. Without a configured gateway,
// the engine takes the subnet's first address.
func gateway6Of(configs []engine.Subnet) (netip.Addr, error) {
	for _, c := range configs {
		if a, err := netip.ParseAddr(c.Gateway); err == nil && a.Is6() {
			return a, nil
		}
	}
	for _, c := range configs {
		if p, err := netip.ParsePrefix(c.Subnet); err == nil && p.Addr().Is6() {
			return p.Masked().Addr().Next(), nil
		}
	}
	return netip.Addr{}, errors.New("the network has no IPv6 address")
}

// reachBy judges a way by the exit code of dialScript. An error, or another code, says
// nothing about the way.
func reachBy(code int, err error) Reach {
	switch {
	case err == nil && code == 0:
		return ReachOpen
	case err == nil && code == 1:
		return ReachClosed
	}
	return ReachUnknown
}
