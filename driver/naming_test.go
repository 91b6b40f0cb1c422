package driver

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/plan"
)

// A part of a hash can be met by trying: then one project has another's layers.
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
		"a cache":              cacheName("scope"),
		"a data root":          dataName("scope", "kind", 7),
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

// The engine bounds names of objects at 255 characters, the DNS host names and
// names of containers at 63.
func TestNamesAreNotTooLong(t *testing.T) {
	const sandbox = "0123456789ab"
	data := dataName("scope", strings.Repeat("f", 64), 7)
	seed := seedName(strings.Repeat("f", 64), sandbox)
	for _, name := range []string{
		data, usedName(data, sandbox), cacheName("scope"), usedName(cacheName("scope"), sandbox), seed, readyName(seed),
	} {
		if len(name) > 255 {
			t.Errorf("a volume is called %s", name)
		}
	}
	for _, name := range []string{
		leaseName(data), networkName(sandbox), objectName(sandbox, plan.RoleSidecar), objectName(sandbox, plan.RoleScratch),
		serviceName(sandbox, 999), cacheHelperName(sandbox),
	} {
		if len(name) > 63 || name == "" {
			t.Errorf("a container is called %q", name)
		}
	}
}

func TestEveryDataRootHasALeaseOfItsOwn(t *testing.T) {
	leases := map[string]string{}
	for _, scope := range []string{"a", "b"} {
		for _, kind := range []string{"k", "l"} {
			for slot := range 12 {
				volume := dataName(scope, kind, slot)
				lease := leaseName(volume)
				if other, taken := leases[lease]; taken || lease != leaseName(volume) {
					t.Errorf("%s has the lease %s of %s", volume, lease, other)
				}
				leases[lease] = volume
			}
		}
	}
}

// What earlier versions cached serves no job, but is found and goes.
func TestWhatEarlierVersionsCachedIsFound(t *testing.T) {
	e, d := fakeHost(t, nil)
	l := func(role plan.Role) map[string]string {
		l := cachedLabels(plan.Claim{Scope: "gitlab.example.com/1/protected", Project: "g/a", Protection: plan.Protected}, role)
		delete(l, labelInstance)
		return l
	}
	scope := l(plan.RoleCache)[labelScope]
	e.AddVolume("dind-data-0123456789ab-0", l(plan.RoleData))
	oldCache := "dind-cache-" + hashed(scope)[:12]
	e.AddVolume(oldCache, l(plan.RoleCache))
	e.AddVolume("dind-cache-0123456789ab", l(plan.RoleCache)) // of no scope that there is
	e.AddVolume(cacheName(scope), l(plan.RoleCache))
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
