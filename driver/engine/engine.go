// Package engine speaks with a Docker Engine. No other package knows Docker's client and its
// types. The engine's own nouns stand in the files beside this one: Container, Details, Image,
// Network, Spec, Volume.
//
// The package makes and removes single objects, in no order. Package driver decides about
// sandboxes, and in which order their objects come and go.
//
// It may import driver/label, driver/plan, fault, group, hostfile, pattern and wary.
package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"

	"gitlab-dind-executor/fault"
)

// Engine is a connection to a Docker Engine. After Greet, several goroutines may use the
// connection.
type Engine struct {
	// CreateBound bounds a creation on a busy engine; 0 means a minute.
	CreateBound time.Duration

	api *client.Client
	// address is the engine's, for messages.
	address string
	// installation names the installation whose objects count; empty for all installations.
	installation string

	greeting sync.Mutex
	greeted  bool

	expecting sync.Mutex
	// expected are the ids of the containers that Expected reads.
	expected map[string]bool
}

// Open makes a client for the engine at an address, a Docker host URL. Empty means DOCKER_HOST or
// the local socket. Nothing is sent yet.
func Open(address string) (*Engine, error) {
	opts := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	if address != "" {
		opts = append(opts, client.WithHost(address))
	}
	api, err := client.NewClientWithOpts(opts...)
	if err != nil {
		return nil, fault.System(fmt.Errorf("docker engine: %w", err), "mend engine.host in the settings or DOCKER_HOST of the Runner")
	}
	installation := os.Getenv(Installation)
	if err := checkInstallation(installation); err != nil {
		return nil, errors.Join(err, api.Close())
	}
	return &Engine{api: api, address: api.DaemonHost(), installation: installation}, nil
}

// Greet agrees with the engine on the version of the API. The client would do so at its first
// request, but not safely for requests side by side: some read the version too early. So every
// method that runs requests side by side greets first.
func (e *Engine) Greet(ctx context.Context) error {
	e.greeting.Lock()
	defer e.greeting.Unlock()
	if e.greeted {
		return nil
	}
	ping, err := e.api.Ping(ctx)
	if err != nil {
		return e.Explain("asking the engine", err)
	}
	e.api.NegotiateAPIVersionPing(ping)
	e.greeted = true
	return nil
}

// Close ends the connection.
func (e *Engine) Close() error { return e.api.Close() }

// Address is the engine's Docker host URL.
func (e *Engine) Address() string { return e.address }

// Local tells whether the engine is on this host, by its address.
func (e *Engine) Local() bool { return strings.HasPrefix(e.address, "unix://") }

// Speaks tells whether the agreed version of the API is api or later.
func (e *Engine) Speaks(api string) bool {
	return versions.GreaterThanOrEqualTo(e.api.ClientVersion(), api)
}

// Older tells whether a version of the API is before another.
func Older(api, than string) bool { return versions.LessThan(api, than) }

// API is the agreed version of the API.
func (e *Engine) API() string { return e.api.ClientVersion() }

// away is the cause that all faults of an engine out of reach have in common.
const away = "the engine is away"

// Explain adds a hint for the reader to an engine's error. what names the failed action.
func (e *Engine) Explain(what string, err error) error {
	if err == nil {
		return nil
	}
	wrapped := fmt.Errorf("%s: %w", what, err)
	switch {
	case errors.Is(err, context.Canceled):
		return wrapped
	case client.IsErrConnectionFailed(err) && errors.Is(err, os.ErrPermission):
		return fault.Shared(wrapped, "let the Runner's user use the docker engine: usermod -aG docker gitlab-runner, then restart the Runner", away)
	case Unreachable(err):
		return fault.Shared(wrapped, "the docker engine at "+e.address+" does not answer: is it running? (systemctl status docker)", away)
	case errors.Is(err, context.DeadlineExceeded):
		return fault.System(wrapped, "the docker engine is slow: look at the host's load and disk")
	default:
		return fault.System(wrapped, exhausted(err))
	}
}

// Gone tells whether an object did not exist. For a removal this is success.
func Gone(err error) bool { return errdefs.IsNotFound(err) }

// Unreachable tells whether there was no engine, or the connection broke.
func Unreachable(err error) bool {
	var op *net.OpError
	return client.IsErrConnectionFailed(err) || errors.As(err, &op) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

// Uncut returns a context for a creation, which outlives the caller's. The engine carries a cut
// request out all the same, and the new object would appear after cleanup has looked.
func (e *Engine) Uncut(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cmp.Or(e.CreateBound, time.Minute))
}
