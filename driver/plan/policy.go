package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"gitlab-dind-executor/config"
)

// Effective returns the settings for a job: the file's settings, changed by the first
// policy that matches. It also returns a line that names the policy and the reason.
func Effective(s config.Settings, job Job) (config.Settings, string) {
	i, why := policyFor(s, job)
	if i < 0 {
		return s, why
	}
	p := s.Policies[i]
	return under(s, p), policyName(i, p) + ": " + why
}

// policyName names a policy for people. i counts from 0.
func policyName(i int, p config.Policy) string {
	name := fmt.Sprintf("policy %d", i+1)
	if p.Name != "" {
		name += " (" + p.Name + ")"
	}
	return name
}

// under returns the settings changed by a policy.
func under(s config.Settings, p config.Policy) config.Settings {
	s.Sidecar = p.Sidecar.On(s.Sidecar)
	override(&s.Job.Image, p.Job.Image)
	overrideList(&s.Job.AllowedImages, p.Job.AllowedImages)
	overrideList(&s.Services.AllowedImages, p.Services.AllowedImages)
	overrideList(&s.Job.Volumes, p.Job.Volumes)
	overrideList(&s.Services.Volumes, p.Services.Volumes)
	s.Job.Rights = p.Job.Rights.On(s.Job.Rights)
	s.Services.ServiceRights = p.Services.ServiceRights.On(s.Services.ServiceRights)
	s.Cache = p.Cache.On(s.Cache)
	s.Limits = p.Limits.On(s.Limits)
	return s
}

// Variants returns the settings for jobs without a policy, then the settings under each
// policy.
func Variants(s config.Settings) []config.Settings {
	all := []config.Settings{s}
	for _, p := range s.Policies {
		all = append(all, under(s, p))
	}
	return all
}

// policyFor returns the index of the first policy that matches a job, or -1, and the
// reason.
func policyFor(s config.Settings, job Job) (index int, why string) {
	for i, p := range s.Policies {
		if why, ok := matches(p, job); ok {
			return i, why
		}
	}
	if len(s.Policies) == 0 {
		return -1, "no policy: the settings have none"
	}
	why = fmt.Sprintf("no policy: none of %d matches project %s", len(s.Policies), job.Project)
	if of := job.instance(); of != "" {
		why += " of " + of
	}
	if job.Protection == ProtectionUnknown {
		return -1, why + ", and GitLab does not say whether the ref is protected"
	}
	return -1, why + ", " + job.Protection.String()
}

// matches tells whether a policy is for a job, and why.
func matches(p config.Policy, job Job) (why string, ok bool) {
	var reasons []string
	if len(p.Instances) > 0 {
		i := slices.IndexFunc(p.Instances, func(name string) bool {
			return slices.ContainsFunc(job.Instances, func(of string) bool { return strings.EqualFold(name, of) })
		})
		if i < 0 {
			return "", false
		}
		reasons = append(reasons, "the instance is "+p.Instances[i])
	}
	if len(p.Projects) > 0 {
		i := slices.IndexFunc(p.Projects, func(pattern string) bool {
			return job.Project != "" && doublestar.MatchUnvalidated(pattern, job.Project)
		})
		if i < 0 {
			return "", false
		}
		reasons = append(reasons, fmt.Sprintf("project %s matches %q", job.Project, p.Projects[i]))
	}
	if p.Protected != nil {
		if ProtectionOf(p.Protected) != job.Protection {
			return "", false
		}
		reasons = append(reasons, "the ref is "+job.Protection.String())
	}
	if len(reasons) == 0 {
		return "it is for all jobs", true
	}
	return strings.Join(reasons, " and "), true
}

func override[T comparable](value *T, with T) {
	var unset T
	if with != unset {
		*value = with
	}
}

// overrideList replaces a list by a list that is set, even if empty.
func overrideList[T any](list *[]T, with []T) {
	if with != nil {
		*list = with
	}
}
