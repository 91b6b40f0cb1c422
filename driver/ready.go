package driver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/sandbox"
	"gitlab-dind-executor/driver/span"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/wary"
)

const (
	// pingEvery is short beside a boot of more than a second; a refused
	// connection costs microseconds.
	pingEvery = 10 * time.Millisecond
	// pingTimeout bounds one attempt.
	pingTimeout = 2 * time.Second
	// execEvery is for the way through the engine, which costs a process.
	execEvery = 200 * time.Millisecond
	// unreachableAfter is when a network that never even refuses counts as
	// out of reach from here.
	unreachableAfter = time.Second
	// bootLines is how much of a log is looked at for why a boot fails.
	bootLines = 200
)

// waitReady waits until the inner daemon answers, by _ping over mutual TLS from
// here or, where the sandbox's network is out of reach (the Runner is itself a
// container, or the engine is remote), by docker version in the sidecar. It
// fails at once when the sidecar exits.
func (d *Driver) waitReady(ctx context.Context, id string, p *plan.Plan, certs *certificates) (Ready, error) {
	ctx, end := span.Begin(ctx, "wait for the docker daemon")
	defer end()
	exits, waitErrs := d.eng.Wait(ctx, id, engine.NotRunning)
	c, err := d.eng.Container(ctx, id)
	if err != nil {
		return Ready{}, d.eng.Explain("looking at the sidecar", err)
	}
	pinger, err := newPinger(p.Sidecar, sandbox.IP(c, p.Sandbox), certs, d.bounds.QuietAfter)
	if err != nil {
		return Ready{}, err
	}
	defer pinger.close()
	if !c.Started.IsZero() && time.Since(c.Started) > unreachableAfter {
		pinger.patience /= 10 // the network has long been there
	}

	polling, stop := context.WithCancel(ctx)
	answered, lost, faulty := make(chan Ready, 2), make(chan struct{}), make(chan error, 1)
	watched := make(chan struct{})
	defer func() {
		stop()
		<-watched
	}()
	go func() {
		defer close(watched)
		if err := d.watchBoot(polling, id, p, pinger); err != nil {
			faulty <- err
		}
	}()
	go func() {
		if r, ok := pinger.poll(polling); ok {
			answered <- r
			return
		}
		if d.disconnected(polling, id, p.Sandbox) {
			close(lost)
			return
		}
		if d.pollByExec(polling, id, p.Sidecar) {
			answered <- Ready{}
		}
	}()
	select {
	case r := <-answered:
		d.traceBoot(ctx, c)
		return r, nil
	case <-lost:
		return Ready{}, fault.System(errors.New("the docker daemon of this job has lost its network"),
			"something took it away: a docker network disconnect or prune on this host")
	case err := <-faulty:
		return Ready{}, err
	case exit := <-exits:
		return Ready{}, d.sidecarDied(ctx, id, p, exit.Code)
	case err := <-waitErrs:
		if ctx.Err() != nil {
			return Ready{}, d.notReady(ctx, id, pinger)
		}
		return Ready{}, d.eng.Explain("waiting for the sidecar", err)
	case <-ctx.Done():
		return Ready{}, d.notReady(ctx, id, pinger)
	}
}

// disconnected tells whether a container is on its sandbox's network no more.
func (d *Driver) disconnected(ctx context.Context, id, sandbox string) bool {
	c, err := d.eng.Container(ctx, id)
	if err != nil || c.Endpoints == nil {
		return false // the wait for its end tells
	}
	_, there := c.Endpoints[label.NetworkName(sandbox)]
	return !there
}

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
	// last is why the latest ping failed, an error.
	last atomic.Value
}

func newPinger(s plan.Sidecar, ip string, certs *certificates, quiet time.Duration) (*pinger, error) {
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
		patience: unreachableAfter, quiet: quiet, timeout: s.ReadyTimeout,
		ip: ip, url: scheme + "://" + s.Address(ip) + "/_ping",
		http: wary.Client(conf, pingTimeout),
	}, nil
}

func (p *pinger) close() { p.http.CloseIdleConnections() }

// poll pings until the daemon answers. It gives up, with false, when ctx ends
// or when the network turns out to be out of reach, or gets there: something
// that is there refuses at once as long as the daemon does not listen.
func (p *pinger) poll(ctx context.Context) (Ready, bool) {
	if p.ip == "" {
		return Ready{}, false
	}
	reached, patience := time.Now(), p.patience
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		r, err := p.ping(ctx)
		if err == nil {
			return r, true
		}
		p.last.Store(&err)
		if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, io.EOF) {
			reached, patience = time.Now(), p.quiet
		}
		if time.Since(reached) > patience {
			return Ready{}, false
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return Ready{}, false
		}
	}
}

// badStatus is an answer that is none.
type badStatus int

func (s badStatus) Error() string { return fmt.Sprintf("status %d", int(s)) }

func (p *pinger) ping(ctx context.Context) (Ready, error) {
	status, header, err := wary.Ask(ctx, p.http, p.url)
	if err != nil {
		return Ready{}, err
	}
	if status != http.StatusOK {
		return Ready{}, badStatus(status)
	}
	// "Docker/28.1.1 (linux)"
	server, _, _ := strings.Cut(header.Get("Server"), " ")
	version, isDocker := strings.CutPrefix(server, "Docker/")
	if !isDocker {
		return Ready{}, nil
	}
	return Ready{Docker: wary.Version(version)}, nil
}

// withClient is a shell command in a sidecar whose docker client asks the inner
// daemon as a job's would, over TLS where it has that.
func withClient(s plan.Sidecar, command string) []string {
	env := []string{"env", "DOCKER_HOST=tcp://" + s.Address("localhost")}
	if s.TLS != nil {
		env = append(env, "DOCKER_TLS_VERIFY=1", "DOCKER_CERT_PATH="+plan.CertDir+"/client")
	}
	return append(env, "sh", "-c", command)
}

// pollByExec asks the inner daemon from within the sidecar.
func (d *Driver) pollByExec(ctx context.Context, id string, s plan.Sidecar) bool {
	tick := time.NewTicker(execEvery)
	defer tick.Stop()
	for {
		attempt, cancel := context.WithTimeout(ctx, 5*pingTimeout)
		code, err := d.eng.Run(attempt, id, withClient(s, "docker version"), nil, io.Discard)
		cancel()
		if err == nil && code == 0 {
			return true
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
}

// sidecarDied explains a sidecar that exited before it was ready.
func (d *Driver) sidecarDied(ctx context.Context, id string, p *plan.Plan, code int) error {
	err := fmt.Errorf("the docker daemon of this job (%s) exited with code %d before it answered%s",
		p.Sidecar.Image.Name, code, d.eng.LastLog(ctx, id))
	if d.outOfMemory(ctx, id) {
		return fault.System(err, "it ran out of memory: raise "+plan.LimitKey(plan.RoleSidecar)+".memory in the settings")
	}
	if f := plan.JudgeExit(p.Sidecar.Given, code, d.eng.LogTail(ctx, id, bootLines), d.arguments(ctx, id)); f != nil {
		return bootFault(f, d.eng.LastLog(ctx, id))
	}
	return fault.System(&brokenBoot{err, fmt.Sprintf("exited with code %d", code)},
		"look at the last lines above: often a wrong argument in the service's command, or an image that is no dind image")
}

// notReady explains a sidecar that runs and does not answer.
func (d *Driver) notReady(ctx context.Context, id string, p *pinger) error {
	if !errors.Is(context.Cause(ctx), errNotReady) {
		return fmt.Errorf("waiting for the docker daemon of this job: %w", context.Cause(ctx))
	}
	why := ""
	if last, ok := p.last.Load().(*error); ok {
		why = " (" + fault.Line(*last) + ")"
	}
	err := fmt.Errorf("%w%s%s", errNotReady, why, d.eng.LastLog(ctx, id))
	return fault.System(&brokenBoot{err, "did not answer in " + p.timeout.String()},
		"look at the last lines above and at this host's load; sidecar.ready_timeout sets how long to wait")
}

// arguments are those that a container was made with.
func (d *Driver) arguments(ctx context.Context, id string) []string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingTimeout)
	defer cancel()
	c, err := d.eng.Container(ctx, id)
	if err != nil {
		return nil
	}
	return c.Command
}
