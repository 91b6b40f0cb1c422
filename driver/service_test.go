package driver

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/fakeengine"
)

func TestWhatBecomesOfAServiceThatEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code          int
		ready         plan.ServicesReady
		said, warning string
		fails         bool
	}{
		"with a fault":                  {1, plan.ServicesReady{Timeout: time.Minute}, "", "service redis:7 (redis, cache) ended with code 1 before it was ready:\n  no such variable", false},
		"with a fault, and is required": {1, plan.ServicesReady{Timeout: time.Minute, Required: true}, "", "", true},
		"with its work done":            {0, plan.ServicesReady{Timeout: time.Minute, Required: true}, "service redis:7 (redis, cache) ended with code 0", "", false},
		"and nobody waits":              {1, plan.ServicesReady{Required: true}, "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			p := testPlan(t)
			p.ServicesReady = c.ready
			e, d := fakeHost(t, p)
			e.AddContainer("a-service", nil, false)
			e.OnStart = func(s *fakeengine.Container) {
				s.Log = "no such variable\n"
				s.Exit(c.code)
			}
			var said []string
			svc := &services{d: d, p: p, say: func(line string) { said = append(said, line) }, answered: make(chan struct{})}
			err := svc.start(p.Services[0])(t.Context(), "a-service")
			if (err != nil) != c.fails || c.fails && !fault.IsOfJob(err) {
				t.Errorf("error %v, of job %t", err, fault.IsOfJob(err))
			}
			if warned := strings.Join(svc.warnings, "; "); warned != c.warning {
				t.Errorf("warned of %q, want %q", warned, c.warning)
			}
			if all := strings.Join(said, "; "); all != c.said {
				t.Errorf("said %q, want %q", all, c.said)
			}
		})
	}
}

// The engine takes the address of an ending container away, and reports this before the
// container's end.
func TestAServiceThatEndsBeforeItsPortsAreTriedIsNotReady(t *testing.T) {
	t.Parallel()
	p := testPlan(t)
	p.ServicesReady = plan.ServicesReady{Timeout: time.Minute, Required: true}
	e, d := fakeHost(t, p)
	e.AddContainer("a-service", nil, false)
	e.OnStart = func(s *fakeengine.Container) {
		s.Config = map[string]any{"ExposedPorts": map[string]any{"5432/tcp": struct{}{}}}
		s.Exit(1)
	}
	e.Always("POST /containers/{id}/wait", func(e *fakeengine.Engine, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		_ = http.NewResponseController(w).Flush()
		fakeengine.Slowly(100*time.Millisecond)(e, w, r, next)
	})
	svc := &services{d: d, p: p, say: quiet, answered: make(chan struct{})}
	if err := svc.start(p.Services[0])(t.Context(), "a-service"); err == nil || !fault.IsOfJob(err) {
		t.Errorf("error %v", err)
	}
}

func TestAJobThatIsCancelledWhileItsServicesAreWaitedFor(t *testing.T) {
	t.Parallel()
	p := testPlan(t)
	e, d := fakeHost(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	svc := &services{d: d, p: p, say: quiet, answered: make(chan struct{})}
	e.AddContainer("a-service", nil, false)
	done := make(chan error, 1)
	go func() { done <- svc.start(p.Services[0])(ctx, "a-service") }()
	cancel()
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if len(svc.warnings) > 0 {
		t.Errorf("warned of %q", svc.warnings)
	}
}

func TestAnEngineThatCannotTellIsAWarningOfTheService(t *testing.T) {
	t.Parallel()
	p := testPlan(t)
	e, d := fakeHost(t, p)
	e.AddContainer("a-service", nil, false)
	e.Always("GET /containers/{id}/json", fakeengine.Refuse(500, "the engine is in a bad way"))
	svc := &services{d: d, p: p, say: quiet, answered: make(chan struct{})}
	if err := svc.start(p.Services[0])(t.Context(), "a-service"); err != nil {
		t.Fatal(err)
	}
	if len(svc.warnings) != 1 || !strings.Contains(svc.warnings[0], "looking at service redis:7 (redis, cache): ") {
		t.Errorf("warned of %q", svc.warnings)
	}
}

func TestHowMuchLongerServicesTook(t *testing.T) {
	at := time.Now()
	for want, s := range map[time.Duration]*services{0: {done: at.Add(-time.Second)}, time.Second: {done: at.Add(time.Second)}} {
		if got := s.longer(at); got != want {
			t.Errorf("%s longer, want %s", got, want)
		}
	}
	if got := (&services{done: at}).longer(time.Time{}); got != 0 {
		t.Errorf("%s longer than a daemon that never answered", got)
	}
}
