package driver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/mirror"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/ends"
	"gitlab-dind-executor/test/fakeengine"
)

const mirrorPassword = "correct horse"

// fakeMirror returns the plan of a mirror and an engine with the mirror's image.
func fakeMirror(t *testing.T) (*fakeengine.Engine, *Driver, plan.Mirror) {
	t.Helper()
	s := config.Default()
	s.Mirror.Enabled, s.Mirror.Username, s.Mirror.Port = true, "someone", 5017
	m := plan.BuildMirror(s, plan.NewSecret(mirrorPassword), nil)
	e, d := fakeHost(t, nil)
	e.AddImage(m.Image.Name, fakeengine.Image{Volumes: []string{"/var/lib/registry"}})
	return e, d, m
}

func TestJobsAtOnceShareAMirror(t *testing.T) {
	t.Parallel()
	e, d, m := fakeMirror(t)
	ids := make([]string, 8)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			access, err := d.Mirror(t.Context(), m)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = access.ID + " " + access.URL
		})
	}
	all.Wait()
	if len(slices.Compact(ids)) != 1 || !strings.HasSuffix(ids[0], " http://172.17.0.1:5017") {
		t.Errorf("the jobs have the mirrors %q", ids)
	}
	if made := e.Objects(); len(made) != 2 || made[0] != "container "+m.Name || !strings.HasPrefix(made[1], "volume dind-mirror-") {
		t.Errorf("made %q", made)
	}
	if n := e.Count("POST /containers/{id}/kill") + e.Count("DELETE /containers/{id}"); n > 0 {
		t.Errorf("%d ends of containers", n)
	}
}

func TestTheMirrorsPasswordIsInItsFileAlone(t *testing.T) {
	t.Parallel()
	e, d, m := fakeMirror(t)
	if _, err := d.Mirror(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	c := e.Container(m.Name)
	if c == nil {
		t.Fatal("no mirror")
	}
	if text := fmt.Sprintf("%v %v %v %v", c.Name, c.Labels, c.Config, c.Host); strings.Contains(text, mirrorPassword) {
		t.Errorf("the engine tells it: %s", text)
	}
	if text := fmt.Sprintf("%v %+v %#v", m, m, m); strings.Contains(text, mirrorPassword) {
		t.Errorf("a message tells it: %s", text)
	}
	if c.Labels[label.Sandbox] != "" || c.Labels[label.Role] != "mirror" || c.Labels[label.Remote] != "https://registry-1.docker.io" {
		t.Errorf("labels %v", c.Labels)
	}
}

// A mirror that cannot reach what it mirrors ends at once. Nobody waits for its answer then.
func TestTheEndOfAMirrorIsSeenAtOnce(t *testing.T) {
	t.Parallel()
	e, d := hereHost(t, nil)
	s := config.Default()
	s.Mirror.Enabled, s.Mirror.Port = true, 1 // nobody listens
	m := plan.BuildMirror(s, plan.NewSecret(""), nil)
	e.AddImage(m.Image.Name, fakeengine.Image{})
	e.OnStart = func(c *fakeengine.Container) {
		c.Started = time.Now()
		time.AfterFunc(50*time.Millisecond, func() { e.Exit(c.Name, 7) })
	}
	began := time.Now()
	_, err := d.StartMirror(t.Context(), m, quiet)
	if err == nil || !strings.Contains(err.Error(), "has ended with code 7") || !strings.Contains(fault.HintOf(err), "docker logs "+m.Name) {
		t.Errorf("the error is %v, with the hint %q", err, fault.HintOf(err))
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("its end was seen after %s", took)
	}
}

func TestWithoutItsImageTheMirrorIsLeftToAnother(t *testing.T) {
	t.Parallel()
	e, d, m := fakeMirror(t)
	m.Image.Name = "registry.example.com/registry:2"
	if _, err := d.Mirror(t.Context(), m); !errors.Is(err, mirror.ErrNone) {
		t.Errorf("the error is %v", err)
	}
	if made := e.Objects(); len(made) != 0 || e.Count("POST /images/create") != 0 {
		t.Errorf("made %q", made)
	}
	if _, err := d.StartMirror(t.Context(), m, quiet); err != nil {
		t.Error(err)
	}
	if e.Container(m.Name) == nil || e.Count("POST /images/create") != 1 {
		t.Errorf("made %q", e.Objects())
	}
}

// Whatever the engine does, a job waits no longer than MirrorPatience.
func TestAJobDoesNotWaitForAMirror(t *testing.T) {
	t.Parallel()
	for kind, answer := range map[string]fakeengine.Answer{
		"is refused":  fakeengine.Refuse(500, "the engine is in a bad way"),
		"is nonsense": fakeengine.Nonsense(), "hangs": fakeengine.Hang(), "is cut off": fakeengine.Drop(),
	} {
		for _, call := range []string{
			"GET /images/{name...}", "GET /networks/{id}", "POST /containers/create",
			"GET /containers/{id}/json", "PUT /containers/{id}/archive", "POST /containers/{id}/start",
		} {
			if slices.Contains(wordless, call) && (kind == "is nonsense" || kind == "is cut off") {
				continue
			}
			t.Run(call+" "+kind, func(t *testing.T) {
				t.Parallel()
				e, d, m := fakeMirror(t)
				d.eng.CreateBound = time.Hour // a creation is neither cut off nor waited for
				d.bounds.MirrorPatience = 100 * time.Millisecond
				e.Always(call, answer)
				var access *plan.MirrorAccess
				var err error
				ends.ByItself(t, func() { access, err = d.Mirror(t.Context(), m) })
				if err == nil {
					t.Errorf("no error, but %+v", access)
				}
				if kind == "hangs" && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, mirror.ErrNone) {
					t.Errorf("something else than patience ended the wait: %v", err)
				}
				// The next hook goes on from there.
				e.Always(call, func(_ *fakeengine.Engine, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) { next(w, r) })
				if _, err := d.StartMirror(t.Context(), m, quiet); err != nil {
					t.Errorf("the next time: %v", err)
				}
			})
		}
	}
}

// Installations with the same settings share a mirror, by its name.
func TestAMirrorThatJobsOfAnotherInstallationUseStays(t *testing.T) {
	t.Setenv(Installation, "trial")
	e, d := fakeHost(t, nil)
	e.AddContainer("dind-mirror-used", map[string]string{label.Role: "mirror", label.Installation: "trial"}, true)
	used := e.Container("dind-mirror-used").ID
	e.AddContainer("dind-0123456789ab-sidecar", map[string]string{label.Sandbox: "0123456789ab", label.Mirror: used[:12]}, true)
	verdicts, err := d.SweepMirrors(t.Context(), "", 0, true, false)
	if err != nil || len(verdicts) != 1 || verdicts[0].Removed {
		t.Errorf("%+v, %v", verdicts, err)
	}
}

func TestWhichMirrorsASweepTakes(t *testing.T) {
	t.Parallel()
	e, d, _ := fakeMirror(t)
	add := func(name string) string {
		e.AddContainer(name, map[string]string{label.Role: "mirror"}, true)
		return e.Container(name).ID
	}
	add("dind-mirror-current")
	add("dind-mirror-unused")
	used := add("dind-mirror-used")
	e.AddContainer("somebody's", nil, true)
	e.AddContainer("dind-0123456789ab-sidecar", map[string]string{label.Sandbox: "0123456789ab", label.Mirror: used[:12]}, true)
	for _, dryRun := range []bool{true, false} {
		verdicts, err := d.SweepMirrors(t.Context(), "dind-mirror-current", 0, true, dryRun)
		if err != nil {
			t.Fatal(err)
		}
		want := []mirror.Verdict{
			{Name: "dind-mirror-unused", Reason: "no settings use it any more", Removed: true},
			{Name: "dind-mirror-used", Reason: "no settings use it any more", Removed: false},
		}
		if !slices.Equal(verdicts, want) {
			t.Errorf("dry run %t: %+v", dryRun, verdicts)
		}
	}
	want := []string{"container dind-0123456789ab-sidecar", "container dind-mirror-current", "container dind-mirror-used-" + used[:12], "container somebody's"}
	if got := slices.Sorted(slices.Values(e.Objects())); !slices.Equal(got, want) {
		t.Errorf("left: %q", got)
	}
}
