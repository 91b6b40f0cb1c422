package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/distribution/reference"
	runner "gitlab.com/gitlab-org/gitlab-runner/helpers/container/services"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/fault"
)

// splitServices finds the declared dind service, which becomes the sidecar.
func splitServices(all []Service) (declared *Service, ordinary []Service, err error) {
	for _, s := range all {
		if !isDind(s) {
			ordinary = append(ordinary, s)
			continue
		}
		if declared != nil {
			return nil, nil, fault.Job(
				fmt.Errorf("two services would be the job's docker daemon: %s and %s", declared.Name, s.Name),
				"keep one dind service")
		}
		declared = &s
	}
	return declared, ordinary, nil
}

// isDind tells whether a service is meant to be the job's Docker daemon: the
// official image or one named after it, a tag or name with "dind", or an alias
// that takes the daemon's name.
func isDind(s Service) bool {
	if slices.Contains(s.Aliases, dockerAlias) {
		return true
	}
	ref, err := reference.ParseNormalizedNamed(s.Name)
	if err != nil {
		return false
	}
	repo := reference.Path(ref)
	last := repo[strings.LastIndexByte(repo, '/')+1:]
	tag := ""
	if t, ok := ref.(reference.Tagged); ok {
		tag = t.Tag()
	}
	return strings.Contains(last, "dind") || strings.Contains(tag, "dind") ||
		last == "docker" && !strings.Contains(tag, "cli") && !strings.Contains(tag, "git")
}

// service plans an ordinary service.
func service(s config.Settings, job Job, svc Service, imageRef func(Image) ImageRef) (Container, error) {
	if err := checkName(svc.Name, "services"); err != nil {
		return Container{}, err
	}
	var env []string
	for _, v := range job.Variables {
		if v.Public {
			env = append(env, v.Key+"="+v.Value)
		}
	}
	for _, v := range svc.Variables {
		env = append(env, v.Key+"="+v.Value)
	}
	// The docker CLI's images would give themselves the sidecar's name.
	names := slices.DeleteFunc(aliases(svc), func(n string) bool { return n == dockerAlias })
	return Container{
		Role: RoleService, Image: imageRef(svc.Image),
		Entrypoint: svc.Entrypoint, Command: svc.Command, User: svc.User,
		Environment: env, Aliases: names,
	}, nil
}

var validAlias = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?$`)

// aliases are the names that GitLab Runner gives a service: two forms of the
// image's name, then those declared. What is no host name is left out.
func aliases(svc Service) []string {
	var names []string
	for _, n := range append(runner.SplitNameAndVersion(svc.Name).Aliases, svc.Aliases...) {
		if validAlias.MatchString(n) && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

// allowed tells whether an image matches one of the patterns, which speak of
// full references.
func allowed(patterns []string, name string) bool {
	if checkName(name, "") != nil {
		return false
	}
	full := normalised(name)
	return slices.ContainsFunc(patterns, func(p string) bool {
		return doublestar.MatchUnvalidated(p, full)
	})
}

// normalised writes a reference in full: docker:dind is
// docker.io/library/docker:dind.
func normalised(name string) string {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name
	}
	return reference.TagNameOnly(ref).String()
}

// checkName refuses what no engine would understand, with the pipeline's word
// for the place where it stands.
func checkName(name, where string) error {
	if _, err := reference.ParseNormalizedNamed(name); err != nil {
		hint := "name an image in the form [registry/]name[:tag]"
		if strings.Contains(name, "$") {
			hint = "a variable in the name has no value for this job"
		}
		return fault.Job(fmt.Errorf("%s: %q is no image name", where, name), hint)
	}
	return nil
}
