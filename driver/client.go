package driver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/client"

	"gitlab-dind-executor/driver/host"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/registry"
	"gitlab-dind-executor/fault"
)

// Driver is a connection to the engine.
type Driver struct {
	api *client.Client
	// host is the engine's address, for messages.
	host string
	// locks let one process at a time do a thing on this engine.
	locks *host.Locks
	// executable is the path of this program, for containers that run it.
	executable string

	greeting sync.Mutex
	greeted  bool

	// noted counts the stuck volumes that were found first.
	noted atomic.Int64

	platform ownPlatform
	// registries asks a registry for the digest of an image.
	registries func(ctx context.Context, name string, with registry.Credential) (string, error)
}

// Open connects to the engine at an address, a Docker host URL; empty means
// DOCKER_HOST or the local socket. Nothing is sent yet.
func Open(address string) (*Driver, error) {
	opts := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	if address != "" {
		opts = append(opts, client.WithHost(address))
	}
	api, err := client.NewClientWithOpts(opts...)
	if err != nil {
		return nil, fault.System(fmt.Errorf("docker engine: %w", err), "mend engine.host in the settings or DOCKER_HOST of the Runner")
	}
	d := &Driver{api: api, host: api.DaemonHost(), locks: host.NewLocks(api.DaemonHost()), executable: "/proc/self/exe"}
	d.registries = registry.Client{
		CertsDir: plan.RegistryCADir(plan.ConfigDir), Agent: "gitlab-dind-executor/" + label.Version, Insecure: d.insecure,
	}.Digest
	return d, nil
}

// greet settles which version of the API is spoken. The client would do so at
// its first request, but neither safely nor in time when several are under way:
// some look at the version before. So everything that does things side by side
// greets first.
func (d *Driver) greet(ctx context.Context) error {
	d.greeting.Lock()
	defer d.greeting.Unlock()
	if d.greeted {
		return nil
	}
	ping, err := d.api.Ping(ctx)
	if err != nil {
		return d.explain("asking the engine", err)
	}
	d.api.NegotiateAPIVersionPing(ping)
	d.greeted = true
	return nil
}

// Close ends the connection.
func (d *Driver) Close() error { return d.api.Close() }

// explain gives an engine's error the hint that its reader needs.
func (d *Driver) explain(what string, err error) error {
	if err == nil {
		return nil
	}
	wrapped := fmt.Errorf("%s: %w", what, err)
	switch {
	case errors.Is(err, context.Canceled):
		return wrapped
	case client.IsErrConnectionFailed(err) && errors.Is(err, os.ErrPermission):
		return fault.System(wrapped, "let the Runner's user use the docker engine: usermod -aG docker gitlab-runner, then restart the Runner")
	case unreachable(err):
		return fault.System(wrapped, "the docker engine at "+d.host+" does not answer: is it running? (systemctl status docker)")
	case errors.Is(err, context.DeadlineExceeded):
		return fault.System(wrapped, "the docker engine is slow: look at the host's load and disk")
	default:
		return fault.System(wrapped, exhausted(err))
	}
}

// exhausted is the hint for an engine that has no room for one more of
// something, or "". It comes in the words of the kernel alone.
func exhausted(err error) string {
	text := err.Error()
	for _, sign := range []string{
		"resource temporarily unavailable", "cannot allocate memory", "too many open files", "too many links",
		"exchange full", // the ports of a bridge
	} {
		if strings.Contains(text, sign) {
			return "this host has no room for one more container: lower concurrent in the Runner's config.toml, or look for leftovers: gitlab-dind-executor gc"
		}
	}
	switch {
	case strings.Contains(text, "no available IPv4 addresses"):
		return "the sandbox's subnet is too small for all containers of this job: lower network.subnet_bits in the settings"
	case strings.Contains(text, "no space left on device"):
		return "the docker engine's disk is full: docker system df tells what takes it, gitlab-dind-executor gc removes leftovers"
	}
	return ""
}

// gone tells whether an object was not there, which for a removal is success.
func gone(err error) bool { return errdefs.IsNotFound(err) }

// unreachable tells whether there was no engine, or it went away in the middle.
func unreachable(err error) bool {
	var op *net.OpError
	return client.IsErrConnectionFailed(err) || errors.As(err, &op) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}
