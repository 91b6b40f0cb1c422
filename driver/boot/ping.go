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
	// ip is empty if the engine does not tell. The url would then mean this host.
	ip, url string
	http    *http.Client
	// patience is the time after which a network without even a refusal counts as out of reach.
	patience time.Duration
	// quiet is the same time for a network that has refused or answered before.
	quiet time.Duration
	// timeout is the time allowed to the daemon, for messages.
	timeout time.Duration
	// connected, unless nil, is called when the daemon's port takes a connection.
	connected func()
	// last is the error of the latest ping.
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

// poll pings until the daemon answers. It gives up, with false, when ctx ends or when the network
// is out of reach. A host within reach refuses at once as long as its daemon does not listen.
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

// insist continues after poll, with rare questions and time for an answer, until ctx ends.
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

// easing is the pause before the next question, after some time of waiting. The pause grows,
// since questions take processor time from the boot.
func easing(every, waited time.Duration) time.Duration {
	return min(max(every, waited/50), time.Second)
}

// badStatus is the HTTP status of a useless answer.
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
	// The header is like "Docker/28.1.1 (linux)".
	server, _, _ := strings.Cut(header.Get("Server"), " ")
	version, isDocker := strings.CutPrefix(server, "Docker/")
	if !isDocker {
		return "", nil
	}
	return wary.Version(version), nil
}
