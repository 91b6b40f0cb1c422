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

// services holds the state of a job's services while they are prepared.
type services struct {
	d   *Driver
	p   *plan.Plan
	say func(string)
	// answered is closed when the inner daemon answers.
	answered chan struct{}

	mu sync.Mutex
	// warnings are lines for the job log.
	warnings []string
	// done is when the last wait for a service ended.
	done time.Time
}

// start returns a function that starts a service and waits until it is ready. A service
// that does not become ready gives a warning, or an error if the settings require it.
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
			return nil // Prepare reports the end of ctx; other errors name their step
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

// longer returns how much later than a time the services were ready; 0 if they were
// earlier.
func (s *services) longer(than time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if than.IsZero() || s.done.Before(than) {
		return 0
	}
	return s.done.Sub(than)
}

// serviceWait is the wait for a service.
type serviceWait struct {
	d       *Driver
	id      string
	plan    plan.Container
	sandbox string
	// answered is closed when the inner daemon answers. A service without health check and
	// ports counts as ready at that time.
	answered <-chan struct{}
	// fine says that the service ended with code 0, as a service does that only prepares
	// data.
	fine bool
}

// name returns the service's name in the job log: its image, and the aliases by which the
// job reaches it.
func (w *serviceWait) name() string {
	if len(w.plan.Aliases) == 0 {
		return w.plan.Image.Name
	}
	return w.plan.Image.Name + " (" + strings.Join(w.plan.Aliases, ", ") + ")"
}

// wait returns nil when the service is ready. It returns an error when the service ends or
// ctx is done.
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
		// The service has ended, and exits is about to say so.
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

// ended explains the end of a service. A second start would not help: mostly the pipeline
// lacks a variable that the image needs.
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

// notReady explains a service that runs but is not ready in time.
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
