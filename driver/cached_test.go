package driver

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/test/fakeengine"
)

func TestEveryScopeHasACacheOfItsOwn(t *testing.T) {
	names := map[string]string{}
	for _, scope := range []string{"a/1/protected", "a/1/unprotected", "a/11/protected", "b/1/protected", ""} {
		name := label.CacheName(scope)
		if other, taken := names[name]; taken || len(name) != len("dind-cache-")+64 {
			t.Errorf("%q has the cache %s of %q", scope, name, other)
		}
		names[name] = scope
	}
}

// Further cached paths of a project are removed by age, like /cache.
func TestPathsThatAProjectKeepsAreLookedAfter(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	name := label.PathCacheName("a", "/root/.m2")
	l := label.ForPathCache(plan.Claim{Scope: "a", Project: "group/a"}, "/root/.m2")
	l[label.Created] = noon.Add(-1000 * time.Hour).Format(time.RFC3339)
	e.AddVolume(name, l)
	l = label.ForPathCache(plan.Claim{Scope: "a"}, "/other")
	l[label.Created] = noon.Add(-1000 * time.Hour).Format(time.RFC3339)
	e.AddVolume(label.PathCacheName("a", "/lied"), l) // the label names another path than the volume's name
	evicted, err := d.Layers.RemoveCached(t.Context(), config.Default(), noon, false)
	if err != nil || !slices.Equal(names(evicted), []string{name}) {
		t.Errorf("%q, %v", names(evicted), err)
	}
}

// leave makes a volume with its mark, as a job leaves them, last used at a time.
func leave(e *fakeengine.Engine, role plan.Role, scope string, used time.Time, size int64) (name string) {
	c := plan.Claim{Scope: scope, Project: "group/" + scope}
	name = label.CacheName(scope)
	if role == plan.RoleData {
		name = label.DataName(scope, "kind", 0)
	}
	l := label.ForCached(c, role)
	l[label.Created] = used.Add(-time.Hour).Format(time.RFC3339)
	e.AddVolume(name, l)
	e.Fill(name, size)
	l = label.ForMark(scope, name)
	l[label.Created] = used.Format(time.RFC3339)
	e.AddVolume(label.UsedName(name, "0123456789ab"), l)
	return name
}

// names returns the names of evicted volumes.
func names(evictions []plan.Eviction) (list []string) {
	for _, e := range evictions {
		list = append(list, e.Name)
	}
	return list
}

func TestWhatIsCachedGoesByAgeAndSizeAndNothingElseDoes(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	hour := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Hour) }
	old := leave(e, plan.RoleCache, "old", hour(-30), 1)
	big := leave(e, plan.RoleData, "big", hour(-3), 60)
	later := leave(e, plan.RoleCache, "later", hour(-2), 50)
	newest := leave(e, plan.RoleData, "newest", hour(-1), 40)
	e.AddVolume("db", map[string]string{"x": "y"})
	e.AddVolume("somebody's", map[string]string{label.Scope: "x", label.Role: "cache", label.Created: hour(-99).Format(time.RFC3339)})
	lost := label.ForMark("x", "what-is-gone")
	e.AddVolume("lost", lost)
	s := config.Default()
	s.Cache.MaxAge, s.Cache.MaxSize = config.Duration(24*time.Hour), 90

	before := e.Objects()
	would, err := d.RemoveCached(t.Context(), s, noon, true)
	if want := []string{old, big}; err != nil || !slices.Equal(names(would), want) || !slices.Equal(e.Objects(), before) {
		t.Fatalf("a dry run: %+v, %v, then %q", would, err, e.Objects())
	}
	removed, err := d.RemoveCached(t.Context(), s, noon, false)
	if err != nil || !slices.Equal(names(removed), names(would)) {
		t.Errorf("removed %+v, %v", removed, err)
	}
	want := []string{
		"volume " + later, "volume " + label.UsedName(later, "0123456789ab"), "volume " + newest, "volume " + label.UsedName(newest, "0123456789ab"),
		"volume db", "volume somebody's",
	}
	if left := e.Objects(); !slices.Equal(left, want) {
		t.Errorf("left are %q, want %q", left, want)
	}
}

// The engine may still hold a volume for a container that is no longer listed.
func TestWhatTheEngineIsStillAtIsWaitedFor(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	d.bounds.RemoveFirstGap = time.Millisecond
	leave(e, plan.RoleData, "a", noon, 1)
	s := config.Default()
	s.Cache.MaxAge = 1
	busy := fakeengine.Refuse(409, "volume is in use")
	e.Script("DELETE /volumes/{name}", busy, busy, busy)
	removed, err := d.RemoveCached(t.Context(), s, noon.Add(time.Hour), false)
	if err != nil || len(removed) != 1 || len(e.Objects()) != 0 {
		t.Errorf("removed %+v, left %q (%v)", removed, e.Objects(), err)
	}
}

// If a job's daemon has ended, the job still has its layers. Nobody waits for them.
func TestLayersOfAJobWithoutADaemonAreLeftAtOnce(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	name := leave(e, plan.RoleData, "a", noon, 1)
	const sandbox = "aaaaaaaaaaaa"
	e.AddNetwork(label.NetworkName(sandbox), label.InSandbox(sandbox, plan.RoleNetwork))
	lease := label.LeaseName(name)
	e.AddContainer(lease, label.InSandbox(sandbox, plan.RoleSidecar), true)
	e.Mount(lease, name)
	if err := d.eng.Kill(t.Context(), lease, "KILL"); err != nil {
		t.Fatal(err)
	}
	s := config.Default()
	s.Cache.MaxAge = 1
	removed, err := d.RemoveCached(t.Context(), s, noon.Add(time.Hour), false)
	if err != nil || len(removed) != 0 {
		t.Errorf("removed %+v, %v", removed, err)
	}
	if n := e.Count("DELETE /volumes/{name}"); n != 1 {
		t.Errorf("its removal was tried %d times", n)
	}
}

func TestWhatIsCachedAndTakenMeanwhileStays(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	for i, scope := range []string{"a", "b", "c", "d"} {
		leave(e, plan.RoleCache, scope, noon.Add(time.Duration(i)*time.Minute), 1)
	}
	s := config.Default()
	s.Cache.MaxAge = 1
	later := noon.Add(time.Hour)
	would, err := d.RemoveCached(t.Context(), s, later, true)
	if err != nil || len(would) != 4 {
		t.Fatalf("a dry run: %+v, %v", would, err)
	}
	e.Script("DELETE /volumes/{name}",
		fakeengine.First(func(e *fakeengine.Engine) {
			e.AddContainer("a-job", nil, true)
			e.Mount("a-job", would[0].Name)
		}), fakeengine.Refuse(404, "no such volume"), fakeengine.Refuse(500, "disk fault"))
	removed, err := d.RemoveCached(t.Context(), s, later, false)
	if !slices.Equal(names(removed), names(would[3:])) {
		t.Errorf("removed %+v, want %+v", removed, would[3])
	}
	if err == nil || !strings.Contains(err.Error(), "removing volume "+would[2].Name) || !strings.Contains(err.Error(), "disk fault") ||
		strings.Contains(err.Error(), would[0].Name) || strings.Contains(err.Error(), would[1].Name) {
		t.Errorf("error %v", err)
	}
	e.Always("GET /volumes", fakeengine.Refuse(500, "disk fault"))
	if _, err := d.RemoveCached(t.Context(), s, later, false); err == nil || !strings.Contains(err.Error(), "listing caches") {
		t.Errorf("error %v", err)
	}
}

// Sizes cost a walk over the disk, so nobody asks in vain. If the engine cannot tell them
// now, volumes are still removed by age.
func TestSizesThatAreNotKnown(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	s := config.Default()
	if _, err := d.RemoveCached(t.Context(), s, noon, false); err != nil || e.Count("GET /system/df") != 0 {
		t.Errorf("asked for sizes of nothing (%v)", err)
	}
	leave(e, plan.RoleCache, "big", noon, 1<<50)
	s.Cache.MaxSize = 0
	if removed, err := d.RemoveCached(t.Context(), s, noon, false); err != nil || len(removed) != 0 || e.Count("GET /system/df") != 0 {
		t.Errorf("asked for sizes without a bound (%v)", err)
	}
	s.Cache.MaxSize = 1
	old := leave(e, plan.RoleCache, "old", noon.Add(-1000*time.Hour), 1)
	const busy = "a disk usage operation is already running"
	for _, c := range []struct {
		status int
		says   string
		faulty bool
	}{{409, busy, false}, {500, busy, false}, {500, "disk fault", true}} { // engines before 23 have no status code for this
		e.Script("GET /system/df", fakeengine.Refuse(c.status, c.says))
		removed, err := d.RemoveCached(t.Context(), s, noon, true)
		if !slices.Equal(names(removed), []string{old}) || (err != nil) != c.faulty {
			t.Errorf("status %d, %s: removed %+v, error %v", c.status, c.says, removed, err)
		}
	}
}

func TestLayersGoOldestFirstWhenTheDiskIsShort(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	cache := leave(e, plan.RoleCache, "a", noon.Add(-9*time.Hour), 1)
	second := leave(e, plan.RoleData, "b", noon.Add(-time.Hour), 1)
	first := leave(e, plan.RoleData, "c", noon.Add(-2*time.Hour), 1)
	for _, want := range []string{first, second} {
		if dropped, err := d.Layers.DropLayers(t.Context(), noon); !dropped || err != nil {
			t.Fatalf("dropped %t, %v", dropped, err)
		}
		if slices.Contains(e.Objects(), "volume "+want) {
			t.Errorf("%s is still there: %q", want, e.Objects())
		}
	}
	if dropped, err := d.Layers.DropLayers(t.Context(), noon); dropped || err != nil {
		t.Errorf("dropped %t, %v", dropped, err)
	}
	if left := e.Objects(); !slices.Equal(left, []string{"volume " + cache, "volume " + label.UsedName(cache, "0123456789ab")}) {
		t.Errorf("left are %q", left)
	}
}

// Part of a hash can be matched by trying. A project could then get another project's
// layers.
func TestNamesThatDecideCarryAWholeHash(t *testing.T) {
	p := testPlan(t)
	whole := regexp.MustCompile(`[0-9a-f]{64}`)
	s := config.Default()
	s.Cache.SeedImages = []string{"debian:12"}
	sidecar, _, err := layeredPlan(t, "aaaaaaaaaaaa").Sidecar.Fit(plan.DindImage{}, plan.EngineHost{})
	if err != nil {
		t.Fatal(err)
	}
	for what, name := range map[string]string{
		"a cache":              label.CacheName("scope"),
		"a data root":          label.DataName("scope", "kind", 7),
		"a spec":               p.Spec,
		"a kind of data roots": sidecar.DataKind,
		"a wish for a seed":    plan.SeedWishes(s)[0].ID,
		"a mirror":             plan.BuildMirror(s, plan.Secret{}, nil).Name,
	} {
		if !whole.MatchString(name) {
			t.Errorf("%s is %q", what, name)
		}
	}
}

// Caches and layers of earlier versions serve no job, but they are found and removed.
func TestWhatEarlierVersionsCachedIsFound(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	l := func(role plan.Role) map[string]string {
		l := label.ForCached(plan.Claim{Scope: "gitlab.example.com/1/protected", Project: "g/a", Protection: plan.Protected}, role)
		delete(l, label.Instance)
		return l
	}
	scope := l(plan.RoleCache)[label.Scope]
	e.AddVolume("dind-data-0123456789ab-0", l(plan.RoleData))
	oldCache := "dind-cache-" + label.Hashed(scope)[:12]
	e.AddVolume(oldCache, l(plan.RoleCache))
	e.AddVolume("dind-cache-0123456789ab", l(plan.RoleCache)) // of no known scope
	e.AddVolume(label.CacheName(scope), l(plan.RoleCache))
	s := config.Default()
	s.Cache.MaxAge, s.Cache.MaxSize = 0, 0
	removed, err := d.RemoveCached(t.Context(), s, time.Now(), false)
	got := names(removed)
	slices.Sort(got)
	if want := []string{oldCache, "dind-data-0123456789ab-0"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("removed %q, %v; want %q", got, err, want)
	}
	for _, r := range removed {
		if r.Protection != plan.Protected || !slices.Equal(r.Instances, []string{"gitlab.example.com"}) {
			t.Errorf("it was read as %+v", r.Cached)
		}
	}
}
