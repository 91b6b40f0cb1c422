package driver

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/distribution/reference"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/images"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/registry"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/fakeengine"
)

// lines collects the lines for a job log.
type lines struct {
	mu   sync.Mutex
	text []string
}

func (l *lines) say(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, line)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.text, "\n")
}

func TestWhatBecomesOfAnImageThatIsThere(t *testing.T) {
	t.Parallel()
	here, newer := "sha256:"+strings.Repeat("1", 64), "sha256:"+strings.Repeat("2", 64)
	unreachable := &registry.Unreachable{}
	for name, c := range map[string]struct {
		digest string
		err    error
		engine fakeengine.Answer
		hangs  bool
		pulls  int
		id     string
		want   string // part of the error
		says   string
	}{
		"the registry has the same":      {digest: here, id: here},
		"the registry has another":       {digest: newer, id: newer, pulls: 1, says: "pulled redis:7"},
		"the registry denies it":         {err: registry.ErrDenied, want: "image redis:7: the registry denies it to this job"},
		"the registry has none":          {err: registry.ErrMissing, want: "image redis:7: the registry has no such image"},
		"the registry limits requests":   {err: registry.ErrBusy, id: here, says: "registry docker.io cannot be asked"},
		"its answer is not understood":   {err: errors.New("a teapot"), id: newer, pulls: 1},
		"it is reached by the engine":    {err: unreachable, id: newer, pulls: 1},
		"the engine is denied":           {err: unreachable, engine: fakeengine.Refuse(403, "denied: requested access to the resource is denied"), want: "denied"},
		"the engine does not reach it":   {err: unreachable, engine: fakeengine.Refuse(500, "dial tcp: i/o timeout"), id: here, says: "cannot be asked"},
		"the engine is limited":          {err: unreachable, engine: fakeengine.Refuse(500, "toomanyrequests: slow down"), id: here, says: "cannot be asked"},
		"the engine says nothing either": {err: unreachable, hangs: true, id: here, says: "cannot be asked"},
	} {
		t.Run(name, func(t *testing.T) {
			e, d := fakeHost(t, nil)
			if c.hangs {
				c.engine, d.images.Question = fakeengine.Hang(), 200*time.Millisecond
			}
			e.AddImage("redis:7", fakeengine.Image{ID: here, Digest: here})
			e.ServeImage("redis:7", fakeengine.Image{ID: newer, Digest: newer})
			if c.engine != nil {
				e.Always("GET /distribution/{name...}", c.engine)
			}
			d.images.Registries = func(context.Context, string, registry.Credential) (string, error) { return c.digest, c.err }
			if err := d.eng.Greet(t.Context()); err != nil {
				t.Fatal(err)
			}
			var said lines
			im := &images.Set{Store: d.images, Timeout: time.Minute, Attempts: 1, Say: said.say, Asking: d.images.Asking(said.say)}
			ref := plan.ImageRef{Name: "redis:7", Policies: []string{"always"}, Announce: true}
			img, err := im.Ensure(t.Context(), ref)
			if err != nil || img.ID != here {
				t.Fatalf("a container would be created from %s: %v", img.ID, err)
			}
			img, err = im.Settle(t.Context(), ref)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) || !fault.IsOfJob(err) {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil || img.ID != c.id || e.Count("POST /images/create") != c.pulls || !strings.Contains(said.String(), c.says) {
				t.Fatalf("got %s, %v, pulled %d times, said %q", img.ID, err, e.Count("POST /images/create"), said.String())
			}
			if named := im.Named(); len(named) != 1 || named[0].Digest != c.id {
				t.Errorf("the job log names %v", named)
			}
		})
	}
}

// If a job is denied an image, not even the image's ENTRYPOINT may run.
func TestNothingOfADeniedImageStarts(t *testing.T) {
	t.Parallel()
	for _, service := range []bool{false, true} {
		p := testPlan(t)
		p.Job.Image.Policies = []string{"always"}
		p.Services = []plan.Container{{Role: plan.RoleService, Image: plan.ImageRef{Name: "redis:7", Policies: []string{"always"}}}}
		secret := p.Job.Image.Name
		if service {
			secret = "redis:7"
		}
		e, d := fakeHost(t, p)
		answer := make(chan struct{})
		d.images.Registries = func(ctx context.Context, name string, _ registry.Credential) (string, error) {
			if name != engine.FullName(secret) {
				return "sha256:" + strings.Repeat("0", 64), nil
			}
			select {
			case <-answer:
			case <-ctx.Done():
			}
			return "", registry.ErrDenied
		}
		e.OnStart = func(c *fakeengine.Container) {
			if c.Labels[label.Role] == string(plan.RoleSidecar) {
				close(answer) // so the boot has not waited for the answer
			}
			if c.Image == secret {
				t.Errorf("%s was started", c.Name)
			}
		}
		_, err := d.Prepare(t.Context(), p, quiet)
		if !errors.Is(err, registry.ErrDenied) || !fault.IsOfJob(err) {
			t.Errorf("got %v", err)
		}
		if err := d.Cleanup(t.Context(), p.Claim.Job); err != nil || len(e.Objects()) != 0 {
			t.Errorf("left are %q (%v)", e.Objects(), err)
		}
	}
}

func TestAContainerIsMadeAnewOfANewerImage(t *testing.T) {
	t.Parallel()
	newer := "sha256:" + strings.Repeat("2", 64)
	p := testPlan(t)
	p.Job.Image.Policies, p.Sidecar.Image.Policies = []string{"always"}, []string{"always"}
	p.Services = []plan.Container{{Role: plan.RoleService, Image: plan.ImageRef{Name: "redis:7", Policies: []string{"always"}}}}
	e, d := fakeHost(t, p)
	for _, name := range []string{p.Job.Image.Name, p.Sidecar.Image.Name, "redis:7"} {
		e.ServeImage(name, fakeengine.Image{ID: newer, Digest: newer})
	}
	d.images.Registries = func(context.Context, string, registry.Credential) (string, error) { return newer, nil }
	var said lines
	ready, err := d.Prepare(t.Context(), p, said.say)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range e.Containers() {
		want := c.Labels[label.Role] == string(plan.RoleJob) || c.Labels[label.Role] == string(plan.RoleService)
		if (c.ImageID == newer) != want || strings.HasSuffix(c.Name, "-next") {
			t.Errorf("%s is of %s", c.Name, c.ImageID)
		}
	}
	if len(ready.Newer) != 1 || ready.Newer[0].Name != p.Sidecar.Image.Name || !strings.Contains(said.String(), "the next job gets the newer") {
		t.Errorf("newer is %v, said %q", ready.Newer, said.String())
	}
	if err := d.Cleanup(t.Context(), p.Claim.Job); err != nil || len(e.Objects()) != 0 {
		t.Errorf("left are %q (%v)", e.Objects(), err)
	}
}

// A name may mean another image by the time a container is created.
func TestContainersAreMadeOfIds(t *testing.T) {
	t.Parallel()
	p := testPlan(t)
	e, d := fakeHost(t, p)
	if _, err := d.Prepare(t.Context(), p, quiet); err != nil {
		t.Fatal(err)
	}
	list := e.Containers()
	if len(list) < 3 {
		t.Fatalf("there are %d containers", len(list))
	}
	for _, c := range list {
		if !strings.HasPrefix(c.ImageID, "sha256:") || c.Image == c.ImageID || c.Labels[label.Image] != c.Image {
			t.Errorf("%s is made of %q and called %q", c.Name, c.ImageID, c.Image)
		}
	}
	if err := d.Cleanup(t.Context(), p.Claim.Job); err != nil {
		t.Error(err)
	}
}

func TestASilentRegistryIsNotAskedByEveryJob(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	d.images.Question = 100 * time.Millisecond
	e.Always("GET /distribution/{name...}", fakeengine.Hang())
	for _, name := range []string{"r.example.com/a:1", "r.example.com/b:1", "s.example.com/a:1", "s.example.com/b:1"} {
		e.AddImage(name, fakeengine.Image{})
	}
	if err := d.eng.Greet(t.Context()); err != nil {
		t.Fatal(err)
	}
	var asked []string
	d.images.Registries = func(_ context.Context, name string, _ registry.Credential) (string, error) {
		asked = append(asked, name)
		return "", &registry.Unreachable{Silent: true, Connected: strings.HasPrefix(name, "s.")}
	}
	job := func(name string) {
		t.Helper()
		im := &images.Set{Store: d.images, Timeout: time.Minute, Attempts: 1, Say: quiet, Asking: d.images.Asking(quiet)}
		ref := plan.ImageRef{Name: name, Policies: []string{"always"}}
		if _, err := im.Ensure(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
		if _, err := im.Settle(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"r.example.com/a:1", "r.example.com/a:1", "r.example.com/b:1", "s.example.com/a:1", "s.example.com/a:1", "s.example.com/b:1"} {
		job(name)
	}
	// If a registry took the connection, its silence counts for a single repository.
	if want := []string{"r.example.com/a:1", "s.example.com/a:1", "s.example.com/b:1"}; !slices.Equal(asked, want) {
		t.Errorf("asked about %q, want %q", asked, want)
	}
	if len(e.Objects()) != 3 {
		t.Errorf("there are %q", e.Objects())
	}
	now := time.Now()
	if _, err := d.Sweep(t.Context(), now, time.Minute, false); err != nil || len(e.Objects()) != 3 {
		t.Errorf("a sweep at once leaves %q (%v)", e.Objects(), err)
	}
	if _, err := d.Sweep(t.Context(), now.Add(2*images.SilentFor), time.Minute, false); err != nil || len(e.Objects()) != 0 {
		t.Errorf("a sweep afterwards leaves %q (%v)", e.Objects(), err)
	}
}

func TestADigestIsOfItsOwnRepository(t *testing.T) {
	named, err := reference.ParseNormalizedNamed("r.example.com/app:1")
	if err != nil {
		t.Fatal(err)
	}
	digest := "sha256:" + strings.Repeat("a", 64)
	for name, want := range map[string]images.Verdict{"r.example.com/app": images.Current, "r.example.com/other": images.Outdated, "s.example.com/app": images.Outdated} {
		if got := images.Compare(named, engine.Image{Digests: []string{name + "@" + digest}}, digest); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}
