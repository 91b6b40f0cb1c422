package boot

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"time"

	"gitlab-dind-executor/driver/blame"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

// watchBoot looks into a sidecar whose daemon does not answer, and returns its fault as soon as
// the cause is clear. After the end of ctx the answer is nil. A boot takes one or two seconds.
// Only a slower boot is looked at, or sooner if the pipeline names a program to run. arguments
// are all arguments of the sidecar.
func (b *Boots) watchBoot(ctx context.Context, id string, p *plan.Plan, arguments []string, pinger *pinger) error {
	after, every := b.bounds.LookAfter, b.bounds.LookEvery
	if p.Sidecar.Given.Runs() {
		after, every = after/4, every/2
	}
	next := time.NewTimer(after)
	defer next.Stop()
	var since time.Time // the first look at which the log named an address
	var before *blame.Fault
	for {
		select {
		case <-next.C:
		case <-ctx.Done():
			return nil
		}
		began := time.Now()
		log, _ := b.eng.LogTail(ctx, id, bootLines) // the next look has the missing lines
		listens := blame.Listens(log)
		var found *blame.Fault
		switch {
		case len(listens) == 0:
			// A passing state proves nothing: two looks must agree.
			if now := blame.JudgeProcesses(p.Sidecar.Given, b.processes(ctx, id)); now != nil && before != nil && *now == *before {
				found = now
			} else {
				before = now
			}
		case since.IsZero():
			since = time.Now()
		case time.Since(since) >= b.bounds.ListensFor || blame.Complete(log, pinger.outcome()):
			found = blame.JudgeListening(p.Sidecar.Given, arguments, listens, p.Sidecar.Port, pinger.outcome())
		}
		if found != nil && ctx.Err() == nil {
			return bootFault(found, b.eng.LastLog(ctx, id))
		}
		next.Reset(max(every, 4*time.Since(began)))
	}
}

// bootFault makes an error of a fault. The data root is not to blame for such an error.
func bootFault(f *blame.Fault, log string) error {
	if f.Said != "" {
		log = ":\n  " + f.Said
	}
	err := fmt.Errorf("%s%s", f.Line, log)
	if f.OfJob {
		return fault.Job(err, f.Hint)
	}
	return fault.System(err, f.Hint)
}

// outcome is the result of the last ping.
func (p *pinger) outcome() blame.Probe {
	last, ok := p.last.Load().(*error)
	var status badStatus
	switch {
	case !ok:
	case errors.Is(*last, http.ErrSchemeMismatch), errors.As(*last, new(tls.RecordHeaderError)):
		return blame.ProbeNoTLS
	case errors.As(*last, &status) && status == http.StatusBadRequest && strings.HasPrefix(p.url, "http:"):
		return blame.ProbeTLS // "Client sent an HTTP request to an HTTPS server."
	case errors.Is(*last, syscall.ECONNREFUSED):
		return blame.ProbeRefused
	}
	return blame.ProbeUnclear
}

// processes are the command lines of all processes in a container; none if the engine cannot
// tell.
func (b *Boots) processes(ctx context.Context, id string) []string {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	list, err := b.eng.Processes(ctx, id)
	if err != nil {
		return nil
	}
	return list
}
