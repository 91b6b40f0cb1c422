package driver

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/driver/boot"
	"gitlab-dind-executor/driver/images"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/group"
	"gitlab-dind-executor/test/ends"
	"gitlab-dind-executor/test/fakeengine"
)

func quiet(string) {}

func TestPrepareMakesThePlan(t *testing.T) {
	t.Parallel()
	p := testPlan(t)
	e, d := fakeHost(t, p)
	if _, err := d.Prepare(t.Context(), p, quiet); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"container dind-0123456789ab-helper", "container dind-0123456789ab-job", "container dind-0123456789ab-service-0",
		"container dind-0123456789ab-sidecar", "network dind-0123456789ab", "volume dind-0123456789ab-builds", "volume dind-0123456789ab-certs", "volume dind-0123456789ab-data",
	}
	if got := e.Objects(); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("there are %q", got)
	}
	if first := slices.Index(e.Calls(), "POST /containers/create"); first < slices.Index(e.Calls(), "POST /networks/create") {
		t.Error("a container was asked for before the anchor")
	}
	if err := d.Cleanup(t.Context(), p.Claim.Job); err != nil {
		t.Fatal(err)
	}
	if left := e.Objects(); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

// prepareCalls maps each API call of Prepare to words that its error must contain.
var prepareCalls = map[string]string{
	"POST /networks/create":        "the sandbox's network",
	"GET /images/{name...}":        "looking for image",
	"POST /containers/create":      "creating container dind-0123456789ab-",
	"GET /containers/{id}/archive": "reading /etc/docker/daemon.json",
	"PUT /containers/{id}/archive": "copying files into a container",
	"POST /containers/{id}/attach": "attaching to the sidecar",
	"POST /containers/{id}/start":  "starting the ",
	"POST /containers/{id}/wait":   " the sidecar",
	"GET /containers/{id}/json":    "looking at the sidecar",
}

// wordless are calls without an answer that could be nonsense or cut.
var wordless = []string{"PUT /containers/{id}/archive", "POST /containers/{id}/start"}

func TestPrepareNamesTheStepThatFailed(t *testing.T) {
	t.Parallel()
	for kind, answer := range map[string]fakeengine.Answer{
		"is refused":  fakeengine.Refuse(500, "the engine is in a bad way"),
		"is nonsense": fakeengine.Nonsense(), "hangs": fakeengine.Hang(), "is cut off": fakeengine.Drop(),
	} {
		for call, step := range prepareCalls {
			if slices.Contains(wordless, call) && (kind == "is nonsense" || kind == "is cut off") {
				continue
			}
			t.Run(call+" "+kind, func(t *testing.T) {
				t.Parallel()
				p := testPlan(t)
				p.Sidecar.FastBoot = call != "PUT /containers/{id}/archive" // otherwise the files come on stdin
				e, d := fakeHost(t, p)
				e.Always(call, answer)
				e.ExecCode = 1 // never ready: the fault must be reported without a wait
				p.Sidecar.ReadyTimeout = time.Hour
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if kind == "hangs" {
					d.eng.CreateBound = time.Second
					e.Always(call, cancelledSoon(answer, cancel))
				}
				var err error
				ends.ByItself(t, func() { _, err = d.Prepare(ctx, p, quiet) })
				if err == nil {
					t.Fatal("no error")
				}
				if !strings.Contains(err.Error(), step) {
					t.Errorf("error %q does not name the step: %s", err, step)
				}
				if fault.IsOfJob(err) {
					t.Errorf("an engine's fault would end the job: %v", err)
				}
			})
		}
	}
}

func TestAPullThatFailsNamesTheImage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer fakeengine.Answer
		ofJob  bool
	}{
		"refused":   {fakeengine.Refuse(500, "the engine is in a bad way"), false},
		"not there": {fakeengine.Refuse(404, "manifest unknown"), true},
		"nonsense":  {fakeengine.Nonsense(), false},
		"cut off":   {fakeengine.Drop(), false},
		"hanging":   {fakeengine.Hang(), false},
	} {
		t.Run(name, func(t *testing.T) {
			p := testPlan(t)
			if name == "hanging" {
				p.PullTimeout = 200 * time.Millisecond
			}
			p.Services[0].Image.Name = "memcached:1"
			e, d := fakeHost(t, p)
			e.Always("POST /images/create", c.answer)
			_, err := d.Prepare(t.Context(), p, quiet)
			if err == nil || !strings.Contains(err.Error(), "pulling image memcached:1") || fault.IsOfJob(err) != c.ofJob {
				t.Errorf("error %v, of job %t", err, fault.IsOfJob(err))
			}
		})
	}
}

func TestAnImageIsPulledOnceAndSaid(t *testing.T) {
	t.Parallel()
	p := testPlan(t)
	for _, ref := range []*plan.ImageRef{&p.Sidecar.Image, &p.Job.Image, &p.Services[0].Image} {
		ref.Name = "docker:dind"
	}
	e, d := fakeHost(t, nil)
	e.AddImage(p.Helper.Image.Name, fakeengine.Image{})
	var said []string
	ready, err := d.Prepare(t.Context(), p, func(line string) { said = append(said, line) })
	if err != nil {
		t.Fatal(err)
	}
	if n := e.Count("POST /images/create"); n != 1 {
		t.Errorf("pulled %d times", n)
	}
	if len(said) < 2 || said[0] != "pulling docker:dind" || !strings.HasPrefix(said[1], "pulled docker:dind in ") {
		t.Errorf("said %q", said)
	}
	if want := []images.UsedImage{{Name: "docker:dind", Digest: "sha256:" + strings.Repeat("0", 64), Fetched: true}}; !slices.Equal(ready.Images, want) {
		t.Errorf("used are %+v, want %+v", ready.Images, want)
	}
}

func TestPullPoliciesAreTriedInOrder(t *testing.T) {
	t.Parallel()
	down := fakeengine.Refuse(500, "the registry is down")
	for name, c := range map[string]struct {
		policies []string
		there    bool
		pulls    int
		message  string
		ofJob    bool
	}{
		"if-not-present with it":        {[]string{"if-not-present"}, true, 0, "", false},
		"if-not-present without it":     {[]string{"if-not-present"}, false, 1, "the registry is down", false},
		"never with it":                 {[]string{"never"}, true, 0, "", false},
		"never without it":              {[]string{"never"}, false, 0, "its pull policy is never", true},
		"always, else what is there":    {[]string{"always", "if-not-present"}, true, 1, "", false},
		"always, with nothing there":    {[]string{"always", "never"}, false, 1, "the registry is down", false},
		"never first: a retry may help": {[]string{"never", "always"}, false, 1, "the registry is down", false},
		"a policy that there is not":    {[]string{"sometimes"}, true, 0, `unknown pull policy "sometimes"`, true},
	} {
		t.Run(name, func(t *testing.T) {
			e, d := fakeHost(t, nil)
			e.Always("POST /images/create", down)
			if c.there {
				e.AddImage("redis:7", fakeengine.Image{})
			}
			im := &images.Set{Store: d.images, Timeout: time.Minute, Say: quiet}
			_, err := im.Ensure(t.Context(), plan.ImageRef{Name: "redis:7", Policies: c.policies})
			if (err == nil) != (c.message == "") || err != nil && !strings.Contains(err.Error(), c.message) || fault.IsOfJob(err) != c.ofJob {
				t.Errorf("error %v, of job %t", err, fault.IsOfJob(err))
			}
			if n := e.Count("POST /images/create"); n != c.pulls {
				t.Errorf("pulled %d times", n)
			}
		})
	}
}

func TestASubnetThatIsTakenIsPassedOver(t *testing.T) {
	t.Parallel()
	overlap := fakeengine.Refuse(403, "Pool overlaps with other one on this address space")
	p := testPlan(t)
	e, d := fakeHost(t, p)
	e.Script("POST /networks/create", overlap, overlap, overlap)
	if _, err := d.createNetwork(t.Context(), p, label.Claim(p.Claim)); err != nil {
		t.Fatal(err)
	}
	networks := e.Networks()
	if want := p.Network.Subnets(p.Sandbox, 4)[3].String(); len(networks) != 1 || networks[0].Subnet != want {
		t.Errorf("made %+v, want the fourth subnet, %s", networks, want)
	}
	for _, key := range []string{label.Sandbox, label.Role, label.Created, label.MadeBy, label.Spec, label.Job, label.Owner, label.Deadline} {
		if networks[0].Labels[key] == "" {
			t.Errorf("the network has no label %s", key)
		}
	}

	e.Always("POST /networks/create", overlap)
	_, err := d.createNetwork(t.Context(), p, label.Claim(p.Claim))
	if err == nil || !strings.Contains(err.Error(), "no free subnet for a sandbox in 10.231.0.0/16: 64 tried") || !strings.Contains(fault.HintOf(err), "network.pool") {
		t.Errorf("error %v, hint %q", err, fault.HintOf(err))
	}
	before := e.Count("POST /networks/create")
	e.Always("POST /networks/create", fakeengine.Refuse(403, "authorization denied by plugin"))
	if _, err = d.createNetwork(t.Context(), p, label.Claim(p.Claim)); err == nil || !strings.Contains(err.Error(), "authorization denied by plugin") {
		t.Errorf("error %v", err)
	}
	if n := e.Count("POST /networks/create") - before; n != 1 {
		t.Errorf("a plugin's refusal was asked for %d times", n)
	}
}

func TestASidecarThatExitsSaysWhy(t *testing.T) {
	t.Parallel()
	p := testPlan(t)
	e, d := fakeHost(t, p)
	e.OnStart = func(c *fakeengine.Container) {
		if strings.HasSuffix(c.Name, "-sidecar") {
			c.Log = "time=now level=info\nfailed to start daemon: unknown flag: --mtuu\n"
			c.Exit(125)
		}
	}
	e.ExecCode = 1
	p.Sidecar.ReadyTimeout = time.Hour // too long to wait out
	var err error
	ends.ByItself(t, func() { _, err = d.Prepare(t.Context(), p, quiet) })
	want := "the docker daemon of this job (docker:dind) exited with code 125 before it answered:\n" +
		"  time=now level=info\n  failed to start daemon: unknown flag: --mtuu"
	if err == nil || err.Error() != want {
		t.Errorf("error %v", err)
	}
	if fault.IsOfJob(err) || !strings.Contains(fault.HintOf(err), "last lines") {
		t.Errorf("of job %t, hint %q", fault.IsOfJob(err), fault.HintOf(err))
	}
}

func TestASidecarThatNeverAnswersSaysWhatItPrinted(t *testing.T) {
	t.Parallel()
	p := testPlan(t)
	p.Sidecar.ReadyTimeout = 300 * time.Millisecond
	e, d := fakeHost(t, p)
	e.OnStart = func(c *fakeengine.Container) { c.Log = "still starting\n" }
	e.ExecCode = 1
	_, err := d.Prepare(t.Context(), p, quiet)
	if !errors.Is(err, boot.ErrNotReady) || !strings.Contains(err.Error(), "\n  still starting") || !strings.Contains(fault.HintOf(err), "sidecar.ready_timeout") {
		t.Errorf("error %v, hint %q", err, fault.HintOf(err))
	}
}

// From within the sidecar, its daemon still answers.
func TestASidecarThatHasLostItsNetworkIsNotReady(t *testing.T) {
	t.Parallel()
	p := testPlan(t)
	e, d := fakeHost(t, p)
	e.OnStart = func(c *fakeengine.Container) { c.Disconnected = true }
	_, err := d.Prepare(t.Context(), p, quiet)
	if err == nil || !strings.Contains(err.Error(), "has lost its network") || fault.IsOfJob(err) || fault.HintOf(err) == "" {
		t.Errorf("error %v, hint %q", err, fault.HintOf(err))
	}
}

func TestAPrepareThatIsCancelledEnds(t *testing.T) {
	t.Parallel()
	p := testPlan(t)
	e, d := fakeHost(t, p)
	e.ExecCode = 1
	ctx, cancel := context.WithCancel(t.Context())
	e.OnStart = func(c *fakeengine.Container) {
		if strings.HasSuffix(c.Name, "-sidecar") {
			cancel()
		}
	}
	if _, err := d.Prepare(ctx, p, quiet); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if err := d.Cleanup(t.Context(), p.Claim.Job); err != nil {
		t.Fatal(err)
	}
	if left := e.Objects(); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestFactsOfAnEngine(t *testing.T) {
	t.Parallel()
	t.Run("that is well", func(t *testing.T) {
		_, d := fakeHost(t, nil)
		facts, err := d.Facts(t.Context())
		if err != nil || facts.Arch != "x86_64" {
			t.Errorf("facts %+v (%v)", facts, err)
		}
	})
	for _, call := range []string{"GET /_ping", "GET /networks", "GET /version"} {
		t.Run("without "+call, func(t *testing.T) {
			e, d := fakeHost(t, nil)
			e.Always(call, fakeengine.Refuse(500, "the engine is in a bad way"))
			if _, err := d.Facts(t.Context()); err == nil || !strings.Contains(err.Error(), "asking the engine: ") {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestAPanicInOneOfItsGoroutinesEndsAPrepareInOrder(t *testing.T) {
	t.Parallel()
	p := testPlan(t)
	p.Job.Image.Policies = []string{"always"} // the job log names the pull
	e, d := fakeHost(t, p)
	e.ServeImage(p.Job.Image.Name, fakeengine.Image{Digest: "sha256:" + strings.Repeat("1", 64)})
	_, err := d.Prepare(t.Context(), p, func(string) { panic("out of lines") })
	var panicked *group.Panic
	if !errors.As(err, &panicked) || !strings.Contains(err.Error(), "out of lines") {
		t.Fatalf("got %v", err)
	}
	if err := d.Cleanup(t.Context(), p.Claim.Job); err != nil || len(e.Objects()) != 0 {
		t.Errorf("left are %q (%v)", e.Objects(), err)
	}
}
