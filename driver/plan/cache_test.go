package plan

import (
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/config"
)

func TestTheCacheIsWhereTheDockerExecutorHasIt(t *testing.T) {
	s, job, facts := example()
	job.CacheDir = "/cache"
	job.Services = []Service{named("docker:dind"), named("redis:7")}
	p, err := Build(s, job, facts)
	if err != nil {
		t.Fatal(err)
	}
	for what, path := range map[string]string{
		"the helper": p.Helper.CachePath, "the job container": p.Job.CachePath, "a service": p.Services[0].CachePath,
	} {
		if path != "/cache" {
			t.Errorf("%s has the cache at %q", what, path)
		}
	}
	if p.Sidecar.CachePath != "" {
		t.Error("the sidecar has the cache of a scope")
	}
	if !strings.HasPrefix(p.Helper.Command[0], "chmod 0777 '/cache'") {
		t.Errorf("jobs of other users cannot write it: %q", p.Helper.Command)
	}

	s.Cache.Volume = false
	if p, err = Build(s, job, facts); err != nil {
		t.Fatal(err)
	}
	if p.Helper.CachePath+p.Job.CachePath+p.Services[0].CachePath != "" || strings.Contains(p.Helper.Command[0], "chmod") {
		t.Error("there is a cache though the settings want none")
	}
}

// Further cached paths have the same path in job container and services. The helper mounts
// them elsewhere, since its own programs may be at these paths.
func TestPathsThatAProjectKeeps(t *testing.T) {
	for _, volume := range []bool{true, false} {
		s, job, facts := example()
		s.Cache.Volume, s.Cache.Paths, job.CacheDir = volume, []string{"/root/.m2", "/usr/bin"}, "/cache"
		job.Services = []Service{named("redis:7")}
		p, err := Build(s, job, facts)
		if err != nil {
			t.Fatal(err)
		}
		at := func(c Container) (list []string) {
			for _, k := range c.Caches() {
				list = append(list, k.Path+" at "+k.At)
			}
			return list
		}
		want, helpers := []string{"/root/.m2 at /root/.m2", "/usr/bin at /usr/bin"}, "chmod 0777 '/gitlab-dind-executor/caches/0' '/gitlab-dind-executor/caches/1' "
		if volume {
			want, helpers = append([]string{" at /cache"}, want...), strings.Replace(helpers, "0777", "0777 '/cache'", 1)
		}
		for _, c := range []Container{p.Job.Container, p.Services[0]} {
			if !slices.Equal(at(c), want) {
				t.Errorf("the %s keeps %q, want %q", c.Role, at(c), want)
			}
		}
		if !strings.HasPrefix(p.Helper.Command[0], helpers) || len(at(p.Helper)) != len(want) {
			t.Errorf("the helper has %q and begins with %q", at(p.Helper), p.Helper.Command[0][:60])
		}
		if len(at(p.Sidecar.Container)) != 0 || len(at(p.Ahead().Helper)) != 0 {
			t.Errorf("the sidecar keeps %q, a helper that waits %q", at(p.Sidecar.Container), at(p.Ahead().Helper))
		}
		plain, err := Build(func() config.Settings { s, _, _ := example(); return s }(), job, facts)
		if err != nil {
			t.Fatal(err)
		}
		if p.Spec != plain.Spec {
			t.Error("a sandbox that waits does not fit")
		}
	}
}

// A job without a project has no cache: no later job would find the cache.
func TestAJobWithoutAProjectKeepsNothing(t *testing.T) {
	s, job, facts := example()
	s.Cache.Volume, s.Cache.Paths, job.CacheDir = true, []string{"/root/.m2"}, ""
	job.Services = []Service{named("redis:7")}
	p, err := Build(s, job, facts)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []Container{p.Job.Container, p.Services[0], p.Helper} {
		if kept := c.Caches(); len(kept) > 0 {
			t.Errorf("the %s keeps %+v", c.Role, kept)
		}
	}
	if strings.HasPrefix(p.Helper.Command[0], "chmod") {
		t.Errorf("the helper begins with %q", p.Helper.Command[0][:60])
	}
}

// A claim adds the cache, so that a sandbox made ahead serves any scope.
func TestTheCacheIsNoPartOfTheSpec(t *testing.T) {
	spec := func(volume bool, scope string) string {
		s, job, facts := example()
		s.Cache.Volume, job.CacheDir, job.Scope = volume, "/cache", scope
		p, err := Build(s, job, facts)
		if err != nil {
			t.Fatal(err)
		}
		return p.Spec
	}
	if spec(true, "a/1/protected") != spec(false, "a/1/unprotected") {
		t.Error("the cache changes the spec")
	}
}
