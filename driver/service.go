package driver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/sandbox"
	"gitlab-dind-executor/fault"
)

var errServiceNotReady = errors.New("not ready")

// services are those of one job while they are prepared.
type services struct {
	d   *Driver
	p   *plan.Plan
	say func(string)
	// answered is closed when the inner daemon answers.
	answered chan struct{}

	mu sync.Mutex
	// warnings are for the job log.
	warnings []string
	// done is when the latest was waited for no longer.
	done time.Time
}

// start returns what starts a service and waits until it is ready. One that is
// not is told, and fails only where it must be.
func (s *services) start(c plan.Container) func(context.Context, string) error {
	return func(ctx context.Context, id string) error {
		if err := s.d.start(c)(ctx, id); err != nil || s.p.ServicesReady.Timeout == 0 {
			return err
		}
		w := &serviceWait{d: s.d, id: id, plan: c, sandbox: s.p.Sandbox, answered: s.answered}
		bounded, cancel := context.WithTimeoutCause(ctx, s.p.ServicesReady.Timeout, errServiceNotReady)
		defer cancel()
		err := w.wait(bounded)
		if ctx.Err() != nil {
			return nil // whatever else was under way names its step; Prepare looks
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.done = time.Now()
		switch {
		case err == nil:
		case w.fine:
			s.say(err.Error())
		case s.p.ServicesReady.Required:
			return err
		default:
			s.warnings = append(s.warnings, err.Error())
		}
		return nil
	}
}

// longer is how much longer the services took than something that was there at
// a given time.
func (s *services) longer(than time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if than.IsZero() || s.done.Before(than) {
		return 0
	}
	return s.done.Sub(than)
}

// serviceWait is one service that is waited for.
type serviceWait struct {
	d       *Driver
	id      string
	plan    plan.Container
	sandbox string
	// answered is closed when the inner daemon answers: a service of which
	// nothing can be known is watched as long.
	answered <-chan struct{}
	// fine says that the service ended as one may that has done its work.
	fine bool
}

// name is how the job log names the service: its image, and the names that the
// job reaches it by.
func (w *serviceWait) name() string {
	if len(w.plan.Aliases) == 0 {
		return w.plan.Image.Name
	}
	return w.plan.Image.Name + " (" + strings.Join(w.plan.Aliases, ", ") + ")"
}

// wait returns nil when the service is ready, and what is wrong when it ends or
// ctx does.
func (w *serviceWait) wait(ctx context.Context) error {
	exits, waitErrs := w.d.eng.Wait(ctx, w.id, engine.NotRunning)
	c, err := w.d.eng.Container(ctx, w.id)
	if err != nil {
		return w.d.eng.Explain("looking at service "+w.name(), err)
	}
	check := plan.CheckOf(w.plan, c.HealthTest, c.Shell, c.Exposed)

	polling, stop := context.WithCancel(ctx)
	defer stop()
	ready := make(chan struct{})
	ip := sandbox.IP(c, w.sandbox)
	switch {
	case !c.Running:
		// It has ended, which is about to be told: there is nothing to look at.
	case len(check.Test) > 0:
		go w.pollHealth(polling, check.Test, ready)
	case len(check.Ports) > 0 && ip != "":
		go w.pollPorts(polling, ip, check.Ports, ready)
	default:
		go func() {
			select {
			case <-w.answered:
				close(ready)
			case <-polling.Done():
			}
		}()
	}
	select {
	case <-ready:
		return nil
	case exit := <-exits:
		return w.ended(ctx, exit.Code)
	case err := <-waitErrs:
		if ctx.Err() != nil {
			return w.notReady(ctx, check)
		}
		return w.d.eng.Explain("waiting for service "+w.name(), err)
	case <-ctx.Done():
		return w.notReady(ctx, check)
	}
}

// ended explains a service that is no more. A second start would not help it:
// mostly the pipeline lacks a variable that the image wants.
func (w *serviceWait) ended(ctx context.Context, code int) error {
	if code == 0 {
		w.fine = true
		return fmt.Errorf("service %s ended with code 0", w.name())
	}
	why := fmt.Errorf("service %s ended with code %d before it was ready%s", w.name(), code, w.d.eng.LastLog(ctx, w.id))
	if w.d.eng.EndedForMemory(ctx, w.id) {
		return fault.System(why, "it ran out of memory: raise "+plan.LimitKey(plan.RoleService)+".memory in the runner's settings")
	}
	return fault.Job(why, "look at its last lines above: often a variable that the image wants is missing")
}

// notReady explains a service that runs.
func (w *serviceWait) notReady(ctx context.Context, check plan.Check) error {
	if !errors.Is(context.Cause(ctx), errServiceNotReady) {
		return ctx.Err()
	}
	why := "its health check fails"
	if len(check.Ports) > 0 {
		why = "nothing listens on port " + strings.Trim(strings.ReplaceAll(fmt.Sprint(check.Ports), " ", ", "), "[]")
	}
	return fault.System(fmt.Errorf("service %s is not ready, %s%s", w.name(), why, w.d.eng.LastLog(ctx, w.id)),
		"services.ready_timeout in the runner's settings says how long to wait")
}
