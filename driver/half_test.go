package driver

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gitlab-dind-executor/driver/boot"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/owner"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/test/ends"
	"gitlab-dind-executor/test/fakeengine"
)

func TestWhichSandboxesThatAreBeingMadeAJobMayTake(t *testing.T) {
	until := noon.Add(time.Hour).Format(time.RFC3339)
	maker := owner.Process{PID: 7}
	for name, c := range map[string]struct {
		change func(l map[string]string)
		life   owner.Life
		taken  bool
		want   bool
	}{
		"one whose maker lives":              {life: owner.Alive, want: true},
		"one whose maker has died":           {life: owner.Dead},
		"one of another host":                {life: owner.Unknown},
		"one that another job has":           {life: owner.Alive, taken: true},
		"one that is a job's from the start": {life: owner.Alive, change: func(l map[string]string) { l[label.Job] = "x" }},
		"one of another version":             {life: owner.Alive, change: func(l map[string]string) { l[label.MadeBy] = "0.0.1" }},
		"one whose time is over":             {life: owner.Alive, change: func(l map[string]string) { l[label.Deadline] = noon.Format(time.RFC3339) }},
		"one without a deadline":             {life: owner.Alive, change: func(l map[string]string) { delete(l, label.Deadline) }},
		"one of nobody":                      {life: owner.Alive, change: func(l map[string]string) { delete(l, label.Owner) }},
		"a network of no sandbox":            {life: owner.Alive, change: func(l map[string]string) { delete(l, label.Sandbox) }},
	} {
		l := map[string]string{label.Sandbox: "a", label.MadeBy: label.Version, label.Deadline: until, label.Owner: maker.String()}
		if c.change != nil {
			c.change(l)
		}
		var containers []engine.Container
		if c.taken {
			containers = append(containers, engine.Container{Labels: map[string]string{label.Sandbox: "a", label.Role: string(plan.RoleJob)}})
		}
		got := halves([]engine.Network{{Labels: l}}, containers, noon, func(owner.Process) owner.Life { return c.life })
		if (len(got) == 1) != c.want {
			t.Errorf("%s: found %v", name, got)
		}
	}
}

func TestHowFarASandboxIsMade(t *testing.T) {
	img := freshImages{sidecar: engine.Image{ID: "s"}, helper: engine.Image{ID: "h"}}
	part := func(role plan.Role, state, image string) engine.Container {
		return engine.Container{ID: string(role), State: state, ImageID: image, Labels: map[string]string{label.Role: string(role)}}
	}
	job := part(plan.RoleJob, "created", "j")
	for name, c := range map[string]struct {
		list             []engine.Container
		relay            bool
		complete, failed bool
	}{
		"nothing":                         {},
		"the job's container alone":       {list: []engine.Container{job}},
		"a helper that is created":        {list: []engine.Container{job, part(plan.RoleHelper, "created", "h")}},
		"a helper without a sidecar":      {list: []engine.Container{part(plan.RoleHelper, "running", "h")}},
		"a sidecar that is created":       {list: []engine.Container{part(plan.RoleHelper, "running", "h"), part(plan.RoleSidecar, "created", "s")}},
		"all of it":                       {list: []engine.Container{job, part(plan.RoleHelper, "running", "h"), part(plan.RoleSidecar, "running", "s")}, complete: true},
		"all but its relay":               {list: []engine.Container{part(plan.RoleHelper, "running", "h"), part(plan.RoleSidecar, "running", "s")}, relay: true},
		"all with a relay":                {list: []engine.Container{part(plan.RoleHelper, "running", "h"), part(plan.RoleSidecar, "running", "s"), part(plan.RoleRelay, "running", "r")}, relay: true, complete: true},
		"a sidecar that has ended":        {list: []engine.Container{part(plan.RoleHelper, "running", "h"), part(plan.RoleSidecar, "exited", "s")}, failed: true},
		"a helper that is being removed":  {list: []engine.Container{part(plan.RoleHelper, "removing", "h")}, failed: true},
		"a sidecar of an older image":     {list: []engine.Container{part(plan.RoleHelper, "running", "h"), part(plan.RoleSidecar, "running", "older")}, failed: true},
		"a helper of an older image, yet": {list: []engine.Container{part(plan.RoleHelper, "created", "older")}, failed: true},
	} {
		p := progressOf(c.list, img, c.relay)
		if p.complete != c.complete || p.failed != c.failed {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// pooledPlan returns the plan of a job that may take a sandbox made ahead.
func pooledPlan(t *testing.T) *plan.Plan {
	t.Helper()
	p := layeredPlan(t, "aaaaaaaaaaaa")
	p.Pool, p.Sidecar.Layers, p.Claim.Deadline = plan.Pool{Size: 1, MaxAge: time.Hour, Serves: time.Hour}, false, time.Now().Add(time.Minute)
	return p
}

// pooledHost is fakeHost with sidecars that have the client's certificates.
func pooledHost(t *testing.T, p *plan.Plan) (*fakeengine.Engine, *Driver) {
	t.Helper()
	e, d := fakeHost(t, p)
	key, err := boot.NewClientKey(false)
	if err != nil {
		t.Fatal(err)
	}
	certs, err := boot.NewCertificates(plan.TLS{Names: []string{"docker"}, Lifetime: time.Hour}, key, nil, nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	packed, err := engine.Archive(certs.ClientFiles("/client"))
	if err != nil {
		t.Fatal(err)
	}
	stat, err := json.Marshal(map[string]any{"name": "client", "mode": os.ModeDir | 0o755})
	if err != nil {
		t.Fatal(err)
	}
	e.Always("GET /containers/{id}/archive", func(_ *fakeengine.Engine, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		if r.URL.Query().Get("path") != plan.ClientCerts {
			next(w, r)
			return
		}
		w.Header().Set("X-Docker-Container-Path-Stat", base64.StdEncoding.EncodeToString(stat))
		_, _ = w.Write(packed)
	})
	return e, d
}

// fillUntil makes a sandbox of the plan's kind in another goroutine, until its helper or
// sidecar is about to start. The result goOn lets the maker go on.
func fillUntil(t *testing.T, e *fakeengine.Engine, d *Driver, p *plan.Plan) (sandbox string, goOn func(), ended <-chan error) {
	t.Helper()
	there, on := make(chan struct{}), make(chan struct{})
	once := sync.OnceFunc(func() { close(there) })
	e.Always("POST /containers/{id}/start", fakeengine.First(func(*fakeengine.Engine) {
		once()
		<-on
	}))
	goOn = sync.OnceFunc(func() { close(on) })
	t.Cleanup(goOn)
	done := make(chan error, 1)
	ahead := p.Ahead().In(label.NewSandboxID())
	go func() {
		_, err := d.makeAhead(t.Context(), ahead, d.yielding(), func() {})
		done <- err
	}()
	ends.Await(t, there, "a container that is about to start")
	return ahead.Sandbox, goOn, done
}

// In this test the daemon does not answer. The job does not wait for it, and after the
// claim the maker need not wait either.
func TestAJobTakesASandboxThatIsStillBeingMade(t *testing.T) {
	t.Parallel()
	p := pooledPlan(t)
	e, d := pooledHost(t, p)
	e.ExecCode = 1
	sandbox, goOn, filled := fillUntil(t, e, d, p)
	e.Script("POST /containers/create", fakeengine.Then(func(*fakeengine.Engine) { goOn() })) // the job container
	ready, err := d.Prepare(t.Context(), p, quiet)
	if err != nil || !ready.Warm || !ready.Booting || ready.Sandbox != sandbox {
		t.Fatalf("got %+v (%v), want sandbox %s", ready, err, sandbox)
	}
	job := e.Container(label.ObjectName(sandbox, plan.RoleJob))
	if job == nil || job.Labels[label.Job] != p.Claim.Job || job.Labels[label.Booting] == "" {
		t.Errorf("there are %q", e.Objects())
	}
	if err := ends.Await(t, filled, "who makes it"); err != nil {
		t.Errorf("who made it says %v", err)
	}
	if err := d.Cleanup(t.Context(), p.Claim.Job); err != nil || len(e.Objects()) > 0 {
		t.Errorf("left are %q (%v)", e.Objects(), err)
	}
}

// Before a claim the maker removes the remains of a failure, after a claim the job does.
func TestAMakerThatFailsLeavesWhatAJobHasTaken(t *testing.T) {
	t.Parallel()
	for _, taken := range []bool{false, true} {
		p := pooledPlan(t)
		e, d := pooledHost(t, p)
		ahead := p.Ahead().In("bbbbbbbbbbbb")
		name := label.ObjectName(ahead.Sandbox, plan.RoleJob)
		e.Always("POST /containers/{id}/start", func(e *fakeengine.Engine, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
			if taken && e.Container(name) == nil {
				e.AddContainer(name, label.ForJob(p.In(ahead.Sandbox)), false)
			}
			fakeengine.Refuse(500, "the engine is in a bad way")(e, w, r, next)
		})
		if _, err := d.makeAhead(t.Context(), ahead, d.yielding(), func() {}); err == nil || !strings.Contains(err.Error(), "in a bad way") {
			t.Errorf("error %v", err)
		}
		if there := e.Container(name) != nil && len(e.Networks()) == 1; there != taken {
			t.Errorf("where a job has taken it %t, there are %q", taken, e.Objects())
		}
		if !taken && len(e.Objects()) > 0 {
			t.Errorf("left are %q", e.Objects())
		}
	}
}

// other starts another process on this host. die ends it.
func other(t *testing.T) (who owner.Process, die func()) {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	die = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	t.Cleanup(die)
	who = owner.Here()
	who.PID = cmd.Process.Pid
	var err error
	if who.Start, _, err = owner.ProcessStat(who.PID); err != nil {
		t.Fatal(err)
	}
	return who, die
}

// networkOf makes the network of a sandbox that another process makes ahead.
func networkOf(e *fakeengine.Engine, p *plan.Plan, sandbox string, maker owner.Process) {
	l := label.ForSandbox(p.In(sandbox), plan.RoleNetwork)
	l[label.Owner] = maker.String()
	for key, value := range label.ForAhead(time.Now().Add(time.Hour)) {
		l[key] = value
	}
	e.AddNetwork(label.NetworkName(sandbox), l)
}

func TestAJobWhoseSandboxIsNotFinishedGoesCold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		// then happens after the job has taken the sandbox.
		then func(d *Driver, die func()) func(*fakeengine.Engine)
		// before happens at the beginning.
		before func(die func())
		cold   string
	}{
		"since its maker had died":  {before: func(die func()) { die() }, cold: "no sandbox of its kind was waiting"},
		"since its maker dies then": {then: func(_ *Driver, die func()) func(*fakeengine.Engine) { return func(*fakeengine.Engine) { die() } }},
		"since its maker hangs":     {then: func(*Driver, func()) func(*fakeengine.Engine) { return func(*fakeengine.Engine) {} }},
		"since its sidecar ends": {then: func(*Driver, func()) func(*fakeengine.Engine) {
			return func(e *fakeengine.Engine) {
				e.AddContainer("ended", label.InSandbox("bbbbbbbbbbbb", plan.RoleSidecar), true)
				e.Exit("ended", 1)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := pooledPlan(t)
			e, d := pooledHost(t, p)
			maker, die := other(t)
			networkOf(e, p, "bbbbbbbbbbbb", maker)
			d.bounds.MakingStalls = 300 * time.Millisecond
			if c.before != nil {
				c.before(die)
			}
			if c.then != nil {
				e.Script("POST /containers/create", fakeengine.Then(c.then(d, die)))
			}
			var ready Ready
			var err error
			ends.ByItself(t, func() { ready, err = d.Prepare(t.Context(), p, quiet) })
			want := c.cold
			if want == "" {
				want = "the sandbox that was being made did not come, or was another's"
			}
			if err != nil || ready.Warm || ready.Cold != want || ready.Sandbox != p.Sandbox {
				t.Fatalf("got %+v (%v)", ready, err)
			}
			left := slices.DeleteFunc(e.Objects(), func(o string) bool { return !strings.Contains(o, "bbbbbbbbbbbb") })
			if c.then != nil && len(left) > 0 {
				t.Errorf("left are %q", left)
			}
		})
	}
}

// A cancelled prepare leaves its claimed sandbox to cleanup.
func TestAWaitForASandboxThatIsBeingMadeEndsWithItsJob(t *testing.T) {
	t.Parallel()
	p := pooledPlan(t)
	e, d := pooledHost(t, p)
	maker, _ := other(t)
	networkOf(e, p, "bbbbbbbbbbbb", maker)
	ctx, cancel := context.WithCancel(t.Context())
	e.Script("POST /containers/create", fakeengine.Then(func(*fakeengine.Engine) { cancel() }))
	var err error
	ends.ByItself(t, func() { _, err = d.Prepare(ctx, p, quiet) })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if err := d.Cleanup(t.Context(), p.Claim.Job); err != nil || len(e.Objects()) > 0 {
		t.Errorf("left are %q (%v)", e.Objects(), err)
	}
}

// A lock says that a maker is about to make the sandbox's network.
func TestAJobWaitsAMomentForANetworkThatIsAboutToCome(t *testing.T) {
	t.Parallel()
	p := pooledPlan(t)
	e, d := pooledHost(t, p)
	maker, _ := other(t)
	begun := d.locks.Share(makingOf(p.Spec))
	prep := d.preparation(p, quiet)
	found := make(chan []half, 1)
	go func() {
		list, _ := prep.halfMade(t.Context())
		found <- list
	}()
	networkOf(e, p, "bbbbbbbbbbbb", maker)
	begun()
	if list := ends.Await(t, found, "the look"); len(list) != 1 || list[0].sandbox != "bbbbbbbbbbbb" {
		t.Errorf("found %v", list)
	}
}

// The sandbox is complete, and its daemon still boots.
func TestAJobDoesNotWaitForTheDaemonOfASandboxThatIsNew(t *testing.T) {
	t.Parallel()
	p := pooledPlan(t)
	e, d := pooledHost(t, p)
	if _, err := d.makeAhead(t.Context(), p.Ahead().In("bbbbbbbbbbbb"), d.yielding(), func() {}); err != nil {
		t.Fatal(err)
	}
	e.ExecCode = 1
	ready, err := d.Prepare(t.Context(), p, quiet)
	if err != nil || !ready.Warm || !ready.Booting || ready.Sandbox != "bbbbbbbbbbbb" {
		t.Errorf("got %+v (%v)", ready, err)
	}
}
