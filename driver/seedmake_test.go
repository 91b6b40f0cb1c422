package driver

import (
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/dataroot"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/fakeengine"
)

func TestOursOfASeedIsInOnePlace(t *testing.T) {
	if plan.SeedDir != dataroot.Dir {
		t.Errorf("%q for the sidecar, %q for the copy", plan.SeedDir, dataroot.Dir)
	}
}

// addSeed adds a seed that was made at a time.
func addSeed(e *fakeengine.Engine, name, kind, wish string, made time.Time, ready bool) {
	l := label.ForSeed(plan.RoleSeed, kind, wish)
	l[label.Created] = made.Format(time.RFC3339)
	e.AddVolume(name, l)
	if ready {
		l := label.ForSeed(plan.RoleMark, kind, wish)
		l[label.Created], l[label.Of] = made.Format(time.RFC3339), name
		e.AddVolume(label.ReadyName(name), l)
	}
}

// seededPlan returns a plan for data roots with images.
func seededPlan(t *testing.T, sandbox string) *plan.Plan {
	t.Helper()
	p := testPlan(t)
	p.Sandbox, p.Sidecar.SeedImages, p.Services = sandbox, []string{"docker.io/library/debian:12"}, nil
	return p
}

// kindOf returns the kind of seed that fits a plan's sidecar.
func kindOf(t *testing.T, d *Driver, p *plan.Plan) string {
	t.Helper()
	img, err := d.eng.ImageAs(t.Context(), p.Sidecar.Image.Name)
	if err != nil {
		t.Fatal(err)
	}
	prep := d.preparation(p, quiet)
	if err := prep.fit(t.Context(), img); err != nil {
		t.Fatal(err)
	}
	return prep.sidecar.Seed
}

// mountedSeed returns the seed of a sandbox's sidecar, or "".
func mountedSeed(t *testing.T, e *fakeengine.Engine, sandbox string) string {
	t.Helper()
	c := e.Container(label.ObjectName(sandbox, plan.RoleSidecar))
	if c == nil {
		t.Fatalf("there is no sidecar: %q", e.Objects())
	}
	mounts, _ := c.Host["Mounts"].([]any)
	for _, m := range mounts {
		m := m.(map[string]any)
		if m["Target"] == plan.SeedPath {
			if m["ReadOnly"] != true {
				t.Error("the job may write into the seed")
			}
			return m["Source"].(string)
		}
	}
	return ""
}

func TestAJobGetsTheNewestSeedThatIsReady(t *testing.T) {
	t.Parallel()
	p := seededPlan(t, "aaaaaaaaaaaa")
	e, d := fakeHost(t, p)
	kind := kindOf(t, d, p)
	now := time.Now()
	addSeed(e, "older", kind, "w", now.Add(-48*time.Hour), true)
	addSeed(e, "newer", kind, "w", now.Add(-24*time.Hour), true)
	addSeed(e, "half", kind, "w", now, false)
	addSeed(e, "other", "otherkind", "w", now, true)
	prepared(t, d, p)
	if got := mountedSeed(t, e, p.Sandbox); got != "newer" {
		t.Errorf("it got %q", got)
	}
}

func TestAJobGoesOnWithoutASeed(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(e *fakeengine.Engine){
		"there is none":          func(*fakeengine.Engine) {},
		"the engine tells of no": func(e *fakeengine.Engine) { e.Script("GET /volumes", fakeengine.Refuse(500, "no")) },
	} {
		t.Run(name, func(t *testing.T) {
			p := seededPlan(t, "aaaaaaaaaaaa")
			e, d := fakeHost(t, p)
			change(e)
			prepared(t, d, p)
			if got := mountedSeed(t, e, p.Sandbox); got != "" {
				t.Errorf("it got %q", got)
			}
		})
	}
}

func TestAJobWithoutSeedsAsksForNone(t *testing.T) {
	t.Parallel()
	p := testPlan(t)
	p.Services = nil
	e, d := fakeHost(t, p)
	prepared(t, d, p)
	if n := e.Count("GET /volumes"); n != 0 {
		t.Errorf("the engine was asked for volumes %d times", n)
	}
}

func TestWhichSeedsASweepRemoves(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	now := time.Now()
	addSeed(e, "serves", "k", "w", now.Add(-24*time.Hour), true)
	addSeed(e, "superseded", "k", "w", now.Add(-48*time.Hour), true)
	addSeed(e, "of-another-release", "k0", "w", now.Add(-72*time.Hour), true)
	addSeed(e, "unwanted", "k", "v", now.Add(-time.Minute), true)
	addSeed(e, "unfit", "k", "u", now.Add(-time.Minute), true)
	addSeed(e, "dind-seed-k-aaaaaaaaaaaa", "k", "w", now.Add(-time.Minute), false)
	e.AddNetwork("dind-aaaaaaaaaaaa", label.InSandbox("aaaaaaaaaaaa", plan.RoleNetwork)) // the seed is still being made
	addSeed(e, "left", "k", "w", now.Add(-time.Second), false)
	addSeed(e, "lost", "k", "w", now.Add(-2*time.Hour), true)
	e.Remove("lost") // the seed's mark stays
	e.AddVolume("a-users-own", nil)
	wishes := []plan.SeedWish{{ID: "w"}, {ID: "u", Unfit: "rootless"}}
	for _, dryRun := range []bool{true, false} {
		removed, err := d.SweepSeeds(t.Context(), wishes, dryRun)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, s := range removed {
			names = append(names, s.Name)
		}
		slices.Sort(names)
		if want := []string{"left", "lost", "of-another-release", "superseded", "unfit", "unwanted"}; !slices.Equal(names, want) {
			t.Errorf("dry run %v: removed %q, want %q", dryRun, names, want)
		}
	}
	want := []string{"volume a-users-own", "volume dind-seed-k-aaaaaaaaaaaa", "volume serves", "volume serves-ready"}
	if got := volumesOnly(e); !slices.Equal(got, want) {
		t.Errorf("left are %q, want %q", got, want)
	}
}

func TestASeedInUseGoesWithALaterSweep(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	addSeed(e, "used", "k", "w", time.Now().Add(-2*time.Hour), true)
	e.Script("DELETE /volumes/{name}", nil, fakeengine.Refuse(409, "volume is in use"))
	removed, err := d.SweepSeeds(t.Context(), nil, false)
	if err != nil || len(removed) != 0 || !slices.Equal(volumesOnly(e), []string{"volume used"}) {
		t.Fatalf("%v, %v, left are %q", removed, err, e.Objects())
	}
	if got := d.Layers.NewestSeed(t.Context(), "k"); got != "" {
		t.Errorf("a job gets %q", got)
	}
	if removed, err := d.SweepSeeds(t.Context(), nil, false); err != nil || len(removed) != 1 || len(volumesOnly(e)) != 0 {
		t.Fatalf("%v, %v, left are %q", removed, err, e.Objects())
	}
}

func volumesOnly(e *fakeengine.Engine) (volumes []string) {
	for _, o := range e.Objects() {
		if strings.HasPrefix(o, "volume ") {
			volumes = append(volumes, o)
		}
	}
	slices.Sort(volumes)
	return volumes
}

// After any failure nothing is left, and the earlier seed serves on.
func TestASeedThatCannotBeMadeLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(e *fakeengine.Engine){
		"no network":             func(e *fakeengine.Engine) { e.Script("POST /networks/create", fakeengine.Refuse(500, "no")) },
		"no volume":              func(e *fakeengine.Engine) { e.Script("POST /volumes/create", fakeengine.Refuse(500, "no")) },
		"no sidecar":             func(e *fakeengine.Engine) { e.Script("POST /containers/create", fakeengine.Refuse(500, "no")) },
		"no start":               func(e *fakeengine.Engine) { e.Script("POST /containers/{id}/start", fakeengine.Refuse(500, "no")) },
		"a daemon that dies":     func(e *fakeengine.Engine) { e.OnStart = func(c *fakeengine.Container) { c.Exit(1) } },
		"no answer from within":  func(*fakeengine.Engine) {}, // the fake engine's daemons have no images
		"no way to look into it": func(e *fakeengine.Engine) { e.Script("POST /containers/{id}/exec", nil, fakeengine.Refuse(500, "no")) },
	} {
		t.Run(name, func(t *testing.T) {
			s := config.Default()
			s.Cache.SeedImages = []string{"debian:12"}
			w := plan.SeedWishes(s)[0]
			p := seededPlan(t, "")
			e, d := fakeHost(t, p)
			addSeed(e, "before", "k", w.ID, time.Now().Add(-time.Hour), true)
			before := e.Objects()
			fail(e)
			err := d.MakeSeed(t.Context(), w, p, []SeedImage{{Name: w.Images[0], Ref: plan.ImageRef{Name: "debian:12", Policies: []string{config.PullAlways}}}}, []byte("program"), Telling{Say: quiet})
			if err == nil || fault.IsOfJob(err) {
				t.Errorf("the error is %v", err)
			}
			if after := e.Objects(); !slices.Equal(before, after) {
				t.Errorf("there were %q, and now there are %q", before, after)
			}
		})
	}
}
