package boot

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/driver/blame"
	"gitlab-dind-executor/driver/bounds"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/fakeengine"
)

// onAFakeEngine makes Boots for a fake engine.
func onAFakeEngine(t *testing.T) (*fakeengine.Engine, *Boots) {
	t.Helper()
	e := fakeengine.New(t)
	eng, err := engine.Open(e.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = eng.Close() })
	return e, New(eng, bounds.Usual())
}

// bootedSidecar starts a sidecar that has printed a log, on an engine that lists processes.
func bootedSidecar(t *testing.T, log string, exit int, processes ...string) *Boots {
	t.Helper()
	e, b := onAFakeEngine(t)
	b.bounds.LookAfter, b.bounds.LookEvery, b.bounds.ListensFor = time.Millisecond, time.Millisecond, 10*time.Millisecond
	e.Processes, e.ExecCode = processes, 1 // the sidecar has no docker version
	e.OnStart = func(c *fakeengine.Container) {
		c.Host = map[string]any{"NetworkMode": label.NetworkName("aaaaaaaaaaaa")}
		if c.Log = log; exit >= 0 {
			c.Exit(exit)
		}
	}
	e.AddContainer("sidecar", nil, false)
	if err := b.eng.Start(t.Context(), "sidecar"); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestASidecarThatNeverAnswersIsToldAtOnceWhereThatIsClear(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		log       string
		exit      int
		processes []string
		command   []string
		says      string
		ofJob     bool
	}{
		"it listens elsewhere":  {"API listen on /var/run/docker.sock\n", -1, nil, []string{"dockerd"}, "listens at /var/run/docker.sock", true},
		"by its image":          {"API listen on /var/run/docker.sock\n", -1, nil, nil, "listens at /var/run/docker.sock", true},
		"it is no daemon":       {"", -1, []string{"sleep 1000"}, []string{"sleep", "1000"}, "runs no dockerd, but sleep", true},
		"a shell that waits":    {"", -1, []string{"sh -c tail -f /x", "tail -f /x"}, []string{"sh", "-c", "tail -f /x"}, "runs no dockerd, but tail", true},
		"it ends at a value":    {"failed to start daemon: invalid CIDR address: 1.2\n", 1, nil, []string{"--bip=1.2"}, "refuses what the service's command says: --bip:\n  failed to start daemon: invalid", true},
		"it ends at a flag":     {"unknown flag: --nope\n", 125, nil, []string{"--nope"}, "does not take: --nope:\n  unknown flag", true},
		"it ends for no reason": {"no space left on device\n", 1, nil, []string{"--debug"}, "exited with code 1", false},
	} {
		t.Run(name, func(t *testing.T) {
			b := bootedSidecar(t, c.log, c.exit, c.processes...)
			p := &plan.Plan{Sandbox: "aaaaaaaaaaaa"}
			p.Sidecar.Port, p.Sidecar.Given = plan.PlaintextPort, plan.Given{Image: true, Command: c.command}
			ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Second, ErrNotReady)
			defer cancel()
			_, err := b.Wait(ctx, "sidecar", p, nil)
			if err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), c.says) || fault.IsOfJob(err) != c.ofJob || fault.HintOf(err) == "" {
				t.Errorf("%v, of the job %t, hint %q", err, fault.IsOfJob(err), fault.HintOf(err))
			}
			// A wrong command is no reason to throw layers away.
			if broken := errors.As(err, new(*Broken)); broken != (name == "it ends for no reason") {
				t.Errorf("it counts as damage: %t", broken)
			}
		})
	}
}

// A stopping engine ends its sidecars with code 0, and may not give out their logs. An unread log
// does not count as empty.
func TestASidecarWhoseLogCannotBeReadIsNobodysFault(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]fakeengine.Answer{"it says no": fakeengine.Refuse(500, "shutting down"), "it breaks off": fakeengine.Drop()} {
		for _, given := range []plan.Given{{Image: true}, {Image: true, Command: []string{"run.sh"}}} {
			e, b := onAFakeEngine(t)
			e.AddContainer("sidecar", nil, false)
			e.Always("GET /containers/{id}/logs", answer)
			p := &plan.Plan{Sandbox: "aaaaaaaaaaaa"}
			p.Sidecar.Given = given
			if err := b.sidecarDied(t.Context(), "sidecar", p, 0); fault.IsOfJob(err) {
				t.Errorf("%s, %+v: %v", name, given, err)
			}
		}
	}
}

// The behaviour of the settings' image is the admin's matter.
func TestASettingsImageThatListensElsewhereIsNoPipelinesFault(t *testing.T) {
	t.Parallel()
	b := bootedSidecar(t, "API listen on /var/run/docker.sock\n", -1)
	p := &plan.Plan{Sandbox: "aaaaaaaaaaaa"}
	p.Sidecar.Port = plan.PlaintextPort
	if _, err := b.Wait(t.Context(), "sidecar", p, nil); fault.IsOfJob(err) || !strings.Contains(fault.Line(err), "listens at /var/run/docker.sock") {
		t.Errorf("%v, of the job %t", err, fault.IsOfJob(err))
	}
}

// If a pipeline's program uses up all of a daemon's time, the host is not at fault. A slow daemon
// may be the host's fault.
func TestWhoseFaultItIsThatNoDaemonCameUpInTime(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		process string
		ofJob   bool
	}{"a program": {"sh run.sh", true}, "a daemon": {"dockerd --debug", false}} {
		b := bootedSidecar(t, "", -1, c.process)
		p := &plan.Plan{Sandbox: "aaaaaaaaaaaa"}
		p.Sidecar.Port, p.Sidecar.Given = plan.PlaintextPort, plan.Given{Image: true, Command: []string{"sh", "run.sh"}}
		ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, ErrNotReady)
		if _, err := b.Wait(ctx, "sidecar", p, nil); err == nil || fault.IsOfJob(err) != c.ofJob {
			t.Errorf("%s: %v, of the job %t", name, err, fault.IsOfJob(err))
		}
		cancel()
	}
}

func TestWhatThePingHasComeTo(t *testing.T) {
	certs := testCertificates(t, "docker")
	plaintext, tls := innerDaemon(t, nil, docker), innerDaemon(t, certs, docker)
	wrong := plaintext
	wrong.TLS = &plan.TLS{}
	other := tls
	other.TLS = nil
	for name, c := range map[string]struct {
		s    plan.Sidecar
		want blame.Probe
	}{
		"no TLS where there should be": {wrong, blame.ProbeNoTLS},
		"TLS where there should not":   {other, blame.ProbeTLS},
		"something else":               {innerDaemon(t, nil, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }), blame.ProbeUnclear},
	} {
		p, err := newPinger(c.s, "127.0.0.1", certs, bounds.Usual().QuietAfter)
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.ping(t.Context(), p.http)
		p.last.Store(&err)
		if got := p.outcome(); got != c.want {
			t.Errorf("%s: %d (%v), want %d", name, got, err, c.want)
		}
		p.close()
	}
	if slices.Contains([]blame.Probe{blame.ProbeNoTLS, blame.ProbeTLS}, (&pinger{}).outcome()) {
		t.Error("one that never asked has an answer")
	}
}

// An abandoned question goes on in the sidecar. On a slow host so many piled up that the daemon
// never came up.
func TestQuestionsFromWithinDoNotPileUp(t *testing.T) {
	t.Parallel()
	e, b := onAFakeEngine(t)
	b.bounds.AskEvery, b.bounds.AskWithin = time.Millisecond, 10*time.Millisecond
	e.AddContainer("sidecar", nil, true)
	e.Always("POST /exec/{id}/start", fakeengine.Hang())
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if b.pollByExec(ctx, "sidecar", plan.Sidecar{}) {
		t.Error("a daemon that says nothing counts as ready")
	}
	asked := 0
	for _, call := range e.Calls() {
		if call == "POST /exec/{id}/start" {
			asked++
		}
	}
	if asked < 2 || asked > 8 { // after 10 ms, 20, 40 and so on, with pauses as long
		t.Errorf("asked %d times", asked)
	}
}
