package boot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"gitlab-dind-executor/driver/blame"
	"gitlab-dind-executor/driver/bounds"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/sandbox"
	"gitlab-dind-executor/driver/span"
	"gitlab-dind-executor/fault"
)

const (
	// pingEvery is short beside a boot of more than a second. A refused connection costs
	// microseconds.
	pingEvery = 10 * time.Millisecond
	// pingTimeout bounds one attempt.
	pingTimeout = 2 * time.Second
	// slowPing bounds an attempt after quick attempts have failed. On a host with too much to do,
	// a handshake alone may take seconds.
	slowPing = 30 * time.Second
	// UnreachableAfter is the time after which a network without even a refusal counts as out of
	// reach.
	UnreachableAfter = time.Second
	// bootLines is the number of log lines searched for the cause of a failed boot. Some releases
	// print all of their usage behind a wrong flag.
	bootLines = 400
)

// ErrNotReady is returned when a daemon did not answer in all of its time.
var ErrNotReady = errors.New("the docker daemon of this job did not answer in time")

// Broken is the error of an inner daemon that did not come up, perhaps because of its data root.
type Broken struct {
	error
	// Brief gives the reason in few words.
	Brief string
}

// Unwrap is the whole error.
func (b *Broken) Unwrap() error { return b.error }

// Boots waits for inner daemons.
type Boots struct {
	eng    *engine.Engine
	bounds *bounds.Bounds
}

// New makes Boots for an engine.
func New(eng *engine.Engine, limits *bounds.Bounds) *Boots { return &Boots{eng, limits} }

// Wait waits until the inner daemon answers, and returns its version. It fails at once when the
// sidecar exits.
func (b *Boots) Wait(ctx context.Context, id string, p *plan.Plan, certs *Certificates) (string, error) {
	return b.wait(ctx, id, p, certs, nil)
}

// wait waits until the inner daemon answers a _ping over mutual TLS. The sandbox's network may be
// out of reach: the Runner is itself a container, or the engine is remote. Then docker version in
// the sidecar asks. wait fails at once when the sidecar exits. queues may be nil; see Await.
func (b *Boots) wait(ctx context.Context, id string, p *plan.Plan, certs *Certificates, queues func()) (string, error) {
	ctx, end := span.Begin(ctx, "wait for the docker daemon")
	defer end()
	exits, waitErrs := b.eng.Wait(ctx, id, engine.NotRunning)
	c, err := b.eng.Container(ctx, id)
	if err != nil {
		return "", b.eng.Explain("looking at the sidecar", err)
	}
	pinger, err := newPinger(p.Sidecar, sandbox.IP(c, p.Sandbox), certs, b.bounds.QuietAfter)
	if err != nil {
		return "", err
	}
	defer pinger.close()
	if queues != nil && c.Labels[label.Queues] != "" {
		pinger.connected = sync.OnceFunc(func() {
			// The clock of another host tells nothing.
			if took := time.Since(c.Started); took >= 0 && took <= b.bounds.QueuesWithin {
				queues()
			}
		})
	}
	if !c.Started.IsZero() && time.Since(c.Started) > UnreachableAfter {
		pinger.patience /= 10 // the network is up already
	}

	polling, stop := context.WithCancel(ctx)
	answered, lost, faulty := make(chan string, 2), make(chan struct{}), make(chan error, 1)
	watched := make(chan struct{})
	defer func() {
		stop()
		<-watched
	}()
	go func() {
		defer close(watched)
		if err := b.watchBoot(polling, id, p, c.Command, pinger); err != nil {
			faulty <- err
		}
	}()
	go func() {
		if r, ok := pinger.poll(polling); ok {
			answered <- r
			return
		}
		if b.disconnected(polling, id, p.Sandbox) {
			close(lost)
			return
		}
		// The network is out of reach, or slow. Unable to tell, wait asks in both ways.
		go func() {
			if r, ok := pinger.insist(polling); ok {
				answered <- r
			}
		}()
		if b.pollByExec(polling, id, p.Sidecar) {
			answered <- ""
		}
	}()
	select {
	case r := <-answered:
		b.traceBoot(ctx, c)
		return r, nil
	case <-lost:
		return "", fault.System(errors.New("the docker daemon of this job has lost its network"),
			"something took it away: a docker network disconnect or prune on this host")
	case err := <-faulty:
		return "", err
	case exit := <-exits:
		return "", b.sidecarDied(ctx, id, p, exit.Code)
	case err := <-waitErrs:
		if ctx.Err() != nil {
			return "", b.notReady(ctx, id, p.Sidecar.Given, pinger)
		}
		return "", b.eng.Explain("waiting for the sidecar", err)
	case <-ctx.Done():
		return "", b.notReady(ctx, id, p.Sidecar.Given, pinger)
	}
}

// disconnected tells whether a container has left its sandbox's network.
func (b *Boots) disconnected(ctx context.Context, id, sandbox string) bool {
	c, err := b.eng.Container(ctx, id)
	if err != nil || c.Endpoints == nil {
		return false // the wait for its end reports the error
	}
	_, there := c.Endpoints[label.NetworkName(sandbox)]
	return !there
}

// WithClient is a shell command for a sidecar. A docker client in the command asks the inner
// daemon like a job's client, over TLS if the daemon has TLS.
func WithClient(s plan.Sidecar, command string) []string {
	env := []string{"env", "DOCKER_HOST=tcp://" + s.Address("localhost")}
	if s.TLS != nil {
		env = append(env, "DOCKER_TLS_VERIFY=1", "DOCKER_CERT_PATH="+plan.CertDir+"/client")
	}
	return append(env, "sh", "-c", command)
}

// pollByExec asks the inner daemon from inside the sidecar. The process of an abandoned question
// goes on. So each abandoned question doubles the time for the next, and questions take half of
// the time at most. On a slow host the processes would pile up otherwise.
func (b *Boots) pollByExec(ctx context.Context, id string, s plan.Sidecar) bool {
	for bound := b.bounds.AskWithin; ; {
		began := time.Now()
		attempt, cancel := context.WithTimeout(ctx, bound)
		code, err := b.eng.Run(attempt, id, WithClient(s, "docker version"), nil, io.Discard)
		if attempt.Err() != nil {
			bound *= 2
		}
		cancel()
		if err == nil && code == 0 {
			return true
		}
		if !bounds.Pause(ctx, max(b.bounds.AskEvery, time.Since(began))) {
			return false
		}
	}
}

// sidecarDied explains a sidecar that exited before it was ready.
func (b *Boots) sidecarDied(ctx context.Context, id string, p *plan.Plan, code int) error {
	err := fmt.Errorf("the docker daemon of this job (%s) exited with code %d before it answered%s",
		p.Sidecar.Image.Name, code, b.eng.LastLog(ctx, id))
	if b.eng.EndedForMemory(ctx, id) {
		return fault.System(err, "it ran out of memory: raise "+plan.LimitKey(plan.RoleSidecar)+".memory in the settings")
	}
	if e, known := b.exit(ctx, id, code); known {
		if f := blame.JudgeExit(p.Sidecar.Given, e); f != nil {
			return bootFault(f, b.eng.LastLog(ctx, id))
		}
	}
	return fault.System(&Broken{err, fmt.Sprintf("exited with code %d", code)},
		"look at the last lines above: often a wrong argument in the service's command, or an image that is no dind image")
}

// notReady explains a sidecar that runs and does not answer.
func (b *Boots) notReady(ctx context.Context, id string, given plan.Given, p *pinger) error {
	if !errors.Is(context.Cause(ctx), ErrNotReady) {
		return fmt.Errorf("waiting for the docker daemon of this job: %w", context.Cause(ctx))
	}
	if f := blame.JudgeSilence(given, b.processes(context.WithoutCancel(ctx), id)); f != nil {
		return bootFault(f, b.eng.LastLog(ctx, id))
	}
	why := ""
	if last, ok := p.last.Load().(*error); ok {
		why = " (" + fault.Line(*last) + ")"
	}
	err := fmt.Errorf("%w%s%s", ErrNotReady, why, b.eng.LastLog(ctx, id))
	return fault.System(&Broken{err, "did not answer in " + p.timeout.String()},
		"look at the last lines above and at this host's load; sidecar.ready_timeout sets how long to wait")
}

// exit reads the end of a sidecar. known is false if the engine does not tell all. A stopping
// engine ends its sidecars itself, and a silent engine is no evidence.
func (b *Boots) exit(ctx context.Context, id string, code int) (e blame.Exit, known bool) {
	e.Code = code
	var err error
	if e.Log, err = b.eng.LogTail(ctx, id, bootLines); err != nil {
		return e, false
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingTimeout)
	defer cancel()
	c, err := b.eng.Container(ctx, id)
	if err != nil {
		return e, false
	}
	e.Arguments, e.Ordinary = c.Command, c.Ordinary
	return e, true
}

// Await waits for the daemon of a sidecar that prepare has started, and returns its version.
// queues is called if the daemon takes its port early, as seen from this host. A client that
// connects from then on waits in the daemon's queue until the daemon answers.
func (b *Boots) Await(ctx context.Context, sandbox, sidecar string, given plan.Given, queues func()) (string, error) {
	c, err := b.eng.Container(ctx, sidecar)
	if err != nil {
		return "", b.eng.Explain("looking at the sidecar", err)
	}
	p := &plan.Plan{Sandbox: sandbox, Sidecar: Listening(c)}
	p.Sidecar.Given = given
	if !c.Running {
		return "", b.sidecarDied(ctx, sidecar, p, c.ExitCode)
	}
	_, certs, err := b.ClientFiles(ctx, sandbox, sidecar, p.Sidecar.TLS != nil)
	if err != nil {
		if c, inspectErr := b.eng.Container(ctx, sidecar); inspectErr == nil && !c.Running {
			err = b.sidecarDied(ctx, sidecar, p, c.ExitCode)
		}
		return "", err
	}
	return b.wait(ctx, sidecar, p, certs, queues)
}

// Listening tells from a sidecar how its daemon listens.
func Listening(c engine.Details) plan.Sidecar {
	s := plan.Sidecar{Port: plan.PlaintextPort}
	s.Image.Name = label.ImageName(c.Labels, c.Image)
	env := slices.Clone(c.Environment)
	slices.Reverse(env) // the last of duplicates wins
	for _, kv := range env {
		if dir, ok := strings.CutPrefix(kv, "DOCKER_TLS_CERTDIR="); ok {
			if dir != "" {
				s.TLS, s.Port = &plan.TLS{}, plan.TLSPort
			}
			break
		}
	}
	return s
}
