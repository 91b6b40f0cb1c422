package plan

import (
	"strings"
	"testing"
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

// A sandbox made ahead with one scope's cache must not go to another's job.

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
