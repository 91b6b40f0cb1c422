package plan

import (
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/config"
)

func TestProtectionIsWrittenAndReadByLabels(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		says  *bool
		is    Protection
		label string
	}{{nil, ProtectionUnknown, "unknown"}, {&yes, Protected, "true"}, {&no, Unprotected, "false"}} {
		if is := ProtectionOf(c.says); is != c.is || is.Label() != c.label || ProtectionLabelled(c.label) != c.is {
			t.Errorf("%v is %s, its label %s", c.says, is, is.Label())
		}
	}
	for _, other := range []string{"", "True", "1", "yes"} {
		if is := ProtectionLabelled(other); is != ProtectionUnknown {
			t.Errorf("the label %q says %s", other, is)
		}
	}
}

// If GitLab does not say whether a ref is protected, a merge request must not reach the
// layers and caches of releases.
func TestNothingIsCachedOfAJobWhoseProtectionIsNotKnown(t *testing.T) {
	yes, no := true, false
	releases := config.Policy{Name: "releases", Protected: &yes}
	branches := config.Policy{Protected: &no}
	others := config.Policy{Projects: []string{"others/**"}, Protected: &yes}
	all := config.Policy{Name: "all"}
	const uncached = "it is not known whether the ref is protected, so no later job gets the layers or caches of this one; GitLab tells it from 18.3 on, and GitLab Runner hands it on from 18.4 on: upgrade them"
	skipped := func(names string) string {
		return "skipped, since it is not known whether the ref is protected: " + names + "; GitLab tells it from 18.3 on, and GitLab Runner hands it on from 18.4 on: upgrade them"
	}
	for name, c := range map[string]struct {
		protection Protection
		change     func(*config.Settings)
		policies   []config.Policy
		caches     bool
		warnings   []string
	}{
		"a protected ref":    {protection: Protected, caches: true, policies: []config.Policy{releases}},
		"an unprotected ref": {protection: Unprotected, caches: true, policies: []config.Policy{releases}},
		"not known":          {warnings: []string{uncached}},
		"not known, where nothing is cached anyway": {
			change: func(s *config.Settings) { s.Cache.Volume, s.Cache.Layers = false, config.LayersOff },
		},
		"not known, with paths alone that a project keeps": {
			change: func(s *config.Settings) {
				s.Cache.Volume, s.Cache.Layers, s.Cache.Paths = false, config.LayersOff, []string{"/root/.m2"}
			}, warnings: []string{uncached},
		},
		"not known, and policies ask for it": {
			policies: []config.Policy{releases, others, branches}, warnings: []string{uncached, skipped("policy 1 (releases), policy 3")},
		},
		"not known, with a policy for all before": {policies: []config.Policy{all, releases}, warnings: []string{uncached}},
		"not known, with a policy for all behind": {policies: []config.Policy{releases, all}, warnings: []string{uncached, skipped("policy 1 (releases)")}},
	} {
		t.Run(name, func(t *testing.T) {
			s, job, facts := example()
			s.Cache.Layers = config.LayersProject
			if c.change != nil {
				c.change(&s)
			}
			s.Policies = c.policies
			job.Lasting, job.CacheDir, job.Protection, job.Project = true, "/cache", c.protection, "group/app"
			p, err := Build(s, job, facts)
			if err != nil {
				t.Fatal(err)
			}
			if p.Sidecar.Layers != c.caches || job.Shares() != c.caches {
				t.Errorf("layers %t, shares %t; want %t", p.Sidecar.Layers, job.Shares(), c.caches)
			}
			for _, of := range []Container{p.Helper, p.Job.Container} {
				if (of.CachePath != "") != s.Cache.Volume || of.CacheEnds != (len(of.Caches()) > 0 && !c.caches) {
					t.Errorf("the %s has a cache at %q which ends with the job: %t", of.Role, of.CachePath, of.CacheEnds)
				}
			}
			if !slices.Equal(p.Warnings, c.warnings) {
				t.Errorf("warnings %q, want %q", p.Warnings, c.warnings)
			}
			for _, w := range p.Warnings {
				if strings.Contains(w, "\n") {
					t.Errorf("%q is more than a line", w)
				}
			}
		})
	}
}

func TestAPolicyForProtectedRefsOrOthersNeedsToKnow(t *testing.T) {
	for _, protected := range []bool{true, false} {
		s := config.Default()
		s.Policies = []config.Policy{{Protected: &protected, Job: config.PolicyJob{Image: "its"}}}
		got, why := Effective(s, Job{Project: "group/app"})
		if got.Job.Image == "its" || why != "no policy: none of 1 matches project group/app, and GitLab does not say whether the ref is protected" {
			t.Errorf("protected = %t: image %s, %s", protected, got.Job.Image, why)
		}
	}
}

func TestAPolicyForAnInstance(t *testing.T) {
	s := config.Default()
	s.Policies = []config.Policy{{Instances: []string{"gitlab.example.com", "git.example.org:8443", "0d0f7b2e-4a4e"}, Projects: []string{"group/*"}, Job: config.PolicyJob{Image: "its"}}}
	for name, c := range map[string]struct {
		job Job
		why string
	}{
		"by its host":                 {Job{Project: "group/app", Instances: []string{"gitlab.example.com", "ffff"}}, `policy 1: the instance is gitlab.example.com and project group/app matches "group/*"`},
		"in capitals":                 {Job{Project: "group/app", Instances: []string{"GitLab.Example.com"}}, `policy 1: the instance is gitlab.example.com and project group/app matches "group/*"`},
		"with its port":               {Job{Project: "group/app", Instances: []string{"git.example.org:8443"}}, `policy 1: the instance is git.example.org:8443 and project group/app matches "group/*"`},
		"by its id":                   {Job{Project: "group/app", Instances: []string{"other.example.com", "0d0f7b2e-4a4e"}}, `policy 1: the instance is 0d0f7b2e-4a4e and project group/app matches "group/*"`},
		"another project of it":       {Job{Project: "other/app", Instances: []string{"gitlab.example.com"}}, ""},
		"the same project of another": {Job{Project: "group/app", Instances: []string{"gitlab.example.net", "ffff"}}, ""},
		"another port":                {Job{Project: "group/app", Instances: []string{"git.example.org"}}, ""},
		"a host that begins alike":    {Job{Project: "group/app", Instances: []string{"gitlab.example.com.evil.org"}}, ""},
		"none that is known":          {Job{Project: "group/app"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.job.Protection = Unprotected
			got, why := Effective(s, c.job)
			if (got.Job.Image == "its") != (c.why != "") || c.why != "" && why != c.why {
				t.Errorf("image %s, because of %s; want %q", got.Job.Image, why, c.why)
			}
		})
	}
}
