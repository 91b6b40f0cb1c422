// Package engine speaks with a Docker Engine, and is the only package that knows
// Docker's client and its types. What it takes and returns are the nouns of this
// file's neighbours: Container, Details, Image, Network, Spec, Volume.
//
// It makes and removes one thing at a time, and knows no order. What a sandbox is,
// and in which order one comes and goes, is package driver's.
//
// It may import driver/label, driver/plan, fault, group, hostfile and wary.
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

// Engine is a connection to a Docker Engine. It is safe for several goroutines once
// Greet has returned.
type Engine struct {
	// CreateBound is how long one creation may take on a busy engine; 0 is a minute.
	CreateBound time.Duration

	api *client.Client
	// address is the engine's, for messages.
	address string
	// installation is whose things these are; empty for all of ours.
	installation string

	greeting sync.Mutex
	greeted  bool

	expecting sync.Mutex
	// expected are the ids of the containers that Expected looks at.
	expected map[string]bool
}

// Open connects to the engine at an address, a Docker host URL; empty means
// DOCKER_HOST or the local socket. Nothing is sent yet.
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

// Greet settles which version of the API is spoken. The client would do so at
// its first request, but neither safely nor in time when several are under way:
// some look at the version before. So everything that does things side by side
// greets first.
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

// Address is where the engine is.
func (e *Engine) Address() string { return e.address }

// Local tells whether the engine is on this host, as far as its address tells.
func (e *Engine) Local() bool { return strings.HasPrefix(e.address, "unix://") }

// Speaks tells whether the engine's API is at least that of a version.
func (e *Engine) Speaks(api string) bool {
	return versions.GreaterThanOrEqualTo(e.api.ClientVersion(), api)
}

// Older tells whether a version of the API is before another.
func Older(api, than string) bool { return versions.LessThan(api, than) }

// API is the version of the API that is spoken.
func (e *Engine) API() string { return e.api.ClientVersion() }

// Explain gives an engine's error the hint that its reader needs; what says what
// was under way.
func (e *Engine) Explain(what string, err error) error {
	if err == nil {
		return nil
	}
	wrapped := fmt.Errorf("%s: %w", what, err)
	switch {
	case errors.Is(err, context.Canceled):
		return wrapped
	case client.IsErrConnectionFailed(err) && errors.Is(err, os.ErrPermission):
		return fault.System(wrapped, "let the Runner's user use the docker engine: usermod -aG docker gitlab-runner, then restart the Runner")
	case Unreachable(err):
		return fault.System(wrapped, "the docker engine at "+e.address+" does not answer: is it running? (systemctl status docker)")
	case errors.Is(err, context.DeadlineExceeded):
		return fault.System(wrapped, "the docker engine is slow: look at the host's load and disk")
	default:
		return fault.System(wrapped, exhausted(err))
	}
}

// Gone tells whether an object was not there, which for a removal is success.
func Gone(err error) bool { return errdefs.IsNotFound(err) }

// Unreachable tells whether there was no engine, or it went away in the middle.
func Unreachable(err error) bool {
	var op *net.OpError
	return client.IsErrConnectionFailed(err) || errors.As(err, &op) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

// Uncut returns a context for a creation. It outlives its caller's: a request
// that is cut off is carried out all the same, and what it makes would come
// after cleanup has looked.
func (e *Engine) Uncut(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cmp.Or(e.CreateBound, time.Minute))
}
