package driver

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/volume"

	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/test/fakeengine"
)

func TestEveryScopeHasACacheOfItsOwn(t *testing.T) {
	names := map[string]string{}
	for _, scope := range []string{"a/1/protected", "a/1/unprotected", "a/11/protected", "b/1/protected", ""} {
		name := cacheName(scope)
		if other, taken := names[name]; taken || len(name) != len("dind-cache-0123456789ab") {
			t.Errorf("%q has the cache %s of %q", scope, name, other)
		}
		names[name] = scope
	}
}

func TestACacheIsNoSandboxs(t *testing.T) {
	p := testPlan(t)
	c := p.Helper
	c.CachePath = "/cache"
	mounts := convert(p, c, "n", nil, withVolumes("/cache/")).host.Mounts
	if len(mounts) != 2 {
		t.Fatalf("mounts: %+v", mounts)
	}
	m := mounts[1]
	if m.Target != "/cache" || m.Source != cacheName("gitlab.example.com/42/unprotected") {
		t.Errorf("%s is at %s", m.Source, m.Target)
	}
	l := m.VolumeOptions.Labels
	if l[labelRole] != string(plan.RoleCache) || l[labelScope] != "gitlab.example.com/42/unprotected" || l[labelCreated] == "" || l[labelVersion] == "" {
		t.Errorf("labels %v", l)
	}
	// By these cleanup and sweep would find it.
	if l[labelSandbox] != "" || l[labelJob] != "" {
		t.Errorf("labels %v", l)
	}
	for _, m := range convert(p, p.Helper, "n", nil, image.InspectResponse{}).host.Mounts {
		if m.Target == "/cache" {
			t.Errorf("a cache that the plan has not: %+v", m)
		}
	}
}

func TestWhichCachesAreOld(t *testing.T) {
	made := func(scope string, at time.Time, change ...func(*volume.Volume)) *volume.Volume {
		l := cacheLabels(scope)
		l[labelCreated] = at.Format(time.RFC3339)
		v := &volume.Volume{Name: cacheName(scope), Labels: l}
		for _, c := range change {
			c(v)
		}
		return v
	}
	hour := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Hour) }
	got := oldCaches([]*volume.Volume{
		made("old", hour(-2)),
		made("older", hour(-3)),
		made("new", hour(-1)),
		made("of the very time", noon.Add(-90*time.Minute)),
		made("another name", hour(-2), func(v *volume.Volume) { v.Name = "db" }),
		made("of a sandbox", hour(-2), func(v *volume.Volume) { v.Labels[labelSandbox] = "0123456789ab" }),
		made("of no time", hour(-2), func(v *volume.Volume) { v.Labels[labelCreated] = "yesterday" }),
	}, noon.Add(-90*time.Minute))
	var scopes []string
	for _, c := range got {
		scopes = append(scopes, c.Scope)
	}
	slices.Sort(scopes)
	if !slices.Equal(scopes, []string{"old", "older"}) {
		t.Errorf("old are %q", scopes)
	}
}

func TestCachesThatAreTakenMeanwhileStay(t *testing.T) {
	e, d := fakeHost(t, nil)
	old := func(scope string) {
		l := cacheLabels(scope)
		l[labelCreated] = noon.Format(time.RFC3339)
		e.AddVolume(cacheName(scope), l)
	}
	for _, scope := range []string{"a", "b", "c", "d"} {
		old(scope)
	}
	e.AddVolume("new", cacheLabels("new"))
	e.AddVolume("another's", map[string]string{"x": "y"})

	later := noon.Add(time.Hour)
	would, err := d.RemoveCaches(t.Context(), later, true)
	if err != nil || len(would) != 4 || e.Count("DELETE /volumes/{name}") != 0 {
		t.Fatalf("a dry run: %+v, %v, then %q", would, err, e.Objects())
	}
	e.Script("DELETE /volumes/{name}",
		fakeengine.Refuse(409, "volume is in use"), fakeengine.Refuse(404, "no such volume"), fakeengine.Refuse(500, "disk fault"))
	removed, err := d.RemoveCaches(t.Context(), later, false)
	if len(removed) != 1 || removed[0] != would[3] {
		t.Errorf("removed %+v, want %+v", removed, would[3])
	}
	if err == nil || !strings.Contains(err.Error(), "removing cache "+would[2].Name) || !strings.Contains(err.Error(), "disk fault") ||
		strings.Contains(err.Error(), would[0].Name) || strings.Contains(err.Error(), would[1].Name) {
		t.Errorf("error %v", err)
	}
	e.Always("GET /volumes", fakeengine.Refuse(500, "disk fault"))
	if _, err := d.RemoveCaches(t.Context(), later, false); err == nil || !strings.Contains(err.Error(), "listing caches") {
		t.Errorf("error %v", err)
	}
}
