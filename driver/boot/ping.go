package boot

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"gitlab-dind-executor/driver/bounds"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/wary"
)

// pinger asks an inner daemon whether it answers.
type pinger struct {
	// ip is empty when the engine does not tell; without a host the url would
	// mean this one.
	ip, url string
	http    *http.Client
	// patience is when a network that never even refuses counts as out of reach.
	patience time.Duration
	// quiet is when one counts as out of reach that did refuse or answer, and now
	// does neither.
	quiet time.Duration
	// timeout is what the daemon has, for messages.
	timeout time.Duration
	// connected, if it is there, is called when the daemon's port takes a connection.
	connected func()
	// last is why the latest ping failed, an error.
	last atomic.Value
}

func newPinger(s plan.Sidecar, ip string, certs *Certificates, quiet time.Duration) (*pinger, error) {
	scheme := "http"
	var conf *tls.Config
	if s.TLS != nil {
		scheme = "https"
		var err error
		if conf, err = certs.clientTLS(); err != nil {
			return nil, err
		}
	}
	return &pinger{
		patience: UnreachableAfter, quiet: quiet, timeout: s.ReadyTimeout,
		ip: ip, url: scheme + "://" + s.Address(ip) + "/_ping",
		http: wary.Client(conf, pingTimeout),
	}, nil
}

func (p *pinger) close() { p.http.CloseIdleConnections() }

// poll pings until the daemon answers. It gives up, with false, when ctx ends
// or when the network turns out to be out of reach, or gets there: something
// that is there refuses at once as long as the daemon does not listen.
func (p *pinger) poll(ctx context.Context) (string, bool) {
	if p.ip == "" {
		return "", false
	}
	began := time.Now()
	reached, patience := began, p.patience
	for {
		r, err := p.ping(ctx, p.http)
		if err == nil {
			return r, true
		}
		p.last.Store(&err)
		if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, io.EOF) {
			reached, patience = time.Now(), p.quiet
		}
		if time.Since(reached) > patience || !bounds.Pause(ctx, easing(pingEvery, time.Since(began))) {
			return "", false
		}
	}
}

// insist goes on where poll has given up: seldom, and with time for an answer. It
// gives up when ctx ends.
func (p *pinger) insist(ctx context.Context) (string, bool) {
	if p.ip == "" {
		return "", false
	}
	slow := *p.http
	slow.Timeout = slowPing
	for {
		r, err := p.ping(ctx, &slow)
		if err == nil {
			return r, true
		}
		p.last.Store(&err)
		if !bounds.Pause(ctx, time.Second) {
			return "", false
		}
	}
}

// easing is the pause before the next question, after some time of waiting. It grows,
// since who asks takes the processor of what is waited for.
func easing(every, waited time.Duration) time.Duration {
	return min(max(every, waited/50), time.Second)
}

// badStatus is an answer that is none.
type badStatus int

func (s badStatus) Error() string { return fmt.Sprintf("status %d", int(s)) }

func (p *pinger) ping(ctx context.Context, by *http.Client) (string, error) {
	if p.connected != nil {
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{ConnectDone: func(_, _ string, err error) {
			if err == nil {
				p.connected()
			}
		}})
	}
	status, header, err := wary.Ask(ctx, by, p.url)
	if err != nil {
		return "", err
	}
	if status != http.StatusOK {
		return "", badStatus(status)
	}
	// "Docker/28.1.1 (linux)"
	server, _, _ := strings.Cut(header.Get("Server"), " ")
	version, isDocker := strings.CutPrefix(server, "Docker/")
	if !isDocker {
		return "", nil
	}
	return wary.Version(version), nil
}
