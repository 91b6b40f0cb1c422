package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/fault"
)

// ImageRef names an image and says how to fetch it.
type ImageRef struct {
	// Name is the name as given, for messages and for the engine.
	Name string
	// Policies are pull policies, tried in order.
	Policies []string
	Platform string
	// Announce lets the job log name the image that was used.
	Announce bool
	// Auth is nil for an anonymous pull.
	Auth *Credential
}

// helperImage names the setting of the only image that no pipeline names.
const helperImage = "helper.image"

// image decides how an image is fetched. The pipeline's policies come before the settings',
// and the credential with the best fitting path is used. where names the place of the image
// name, for messages. own says that only the settings name the image: every job may have
// it, so no registry is asked. The error is a job fault about a name or policy from the
// pipeline.
func (pl *planner) image(i Image, where string, own bool) (ImageRef, error) {
	pull := pl.s.Pull
	named, err := reference.ParseNormalizedNamed(i.Name)
	if err != nil {
		hint := "name an image in the form [registry/]name[:tag]"
		if strings.Contains(i.Name, "$") {
			hint = "a variable in the name has no value for this job"
		}
		return ImageRef{}, fault.Job(fmt.Errorf("%s: %q is no image name", where, i.Name), hint)
	}
	ref := ImageRef{Name: i.Name, Policies: i.PullPolicies, Platform: i.Platform, Announce: where != helperImage, Auth: credential(pl.job.Credentials, named)}
	switch {
	case own:
		ref.Policies = OwnPolicies(pull)
		return ref, nil
	case len(ref.Policies) == 0:
		ref.Policies = pull.Policy
		return ref, nil
	}
	may := firstNonEmpty(pull.AllowedPolicies, pull.Policy)
	for _, p := range ref.Policies {
		switch {
		case !slices.Contains(config.PullPolicies, p):
			return ImageRef{}, fault.Job(fmt.Errorf("%s %s: unknown pull_policy %q", where, i.Name, p),
				"use one of "+strings.Join(config.PullPolicies, ", "))
		case !slices.Contains(may, p):
			return ImageRef{}, fault.Job(fmt.Errorf("%s %s: pull_policy %q is not allowed on this runner", where, i.Name, p),
				"use one of "+strings.Join(may, ", ")+", or ask the runner's admin to add it to pull.allowed_policies")
		}
	}
	return ref, nil
}

// OwnPolicies returns the pull policies of images that only the settings name. The admin
// chose them, so an image on the host serves, and no registry is asked.
func OwnPolicies(pull config.Pull) []string {
	if !slices.Contains(pull.Policy, config.PullAlways) && !slices.Contains(pull.Policy, config.PullIfNotPresent) {
		return pull.Policy
	}
	return []string{config.PullIfNotPresent}
}

// credential returns the credential with the longest path that equals the image's path or
// lies above it. Among equals the first wins, since sources are in order of precedence.
func credential(creds []Credential, image reference.Named) *Credential {
	path := withoutPort443(reference.Domain(image)) + "/" + reference.Path(image)
	var best *Credential
	longest := -1
	for _, c := range creds {
		p := registryPath(c.Host)
		if (path == p || strings.HasPrefix(path, p+"/")) && len(p) > longest {
			best, longest = &c, len(p)
		}
	}
	return best
}

// registryPath returns host and path of a registry, from any usual form of its name:
// docker.io for https://index.docker.io/v1/.
func registryPath(s string) string {
	s = strings.TrimPrefix(strings.TrimPrefix(s, "https://"), "http://")
	host, path, _ := strings.Cut(strings.TrimRight(s, "/"), "/")
	host = withoutPort443(strings.ToLower(host))
	if host == "index.docker.io" || host == "registry-1.docker.io" {
		host = "docker.io"
	}
	if path == "" || path == "v1" || path == "v2" {
		return host
	}
	return host + "/" + path
}

func withoutPort443(host string) string { return strings.TrimSuffix(host, ":443") }

// Registries returns the registry hosts of the job's images, without repeats. Credential
// helpers are asked about these hosts.
func Registries(s config.Settings, job Job) []string {
	s, _ = Effective(s, job)
	names := []string{job.Image.Name, s.Job.Image, s.Sidecar.Image, helperName(s.Helper.Image, "0", "x")}
	for _, svc := range s.Service {
		names = append(names, svc.Name)
	}
	for _, svc := range job.Services {
		names = append(names, svc.Name)
	}
	return Hosts(names)
}

// refused returns a fault that names the setting which forbids a pipeline's image. instead
// is an image that is allowed; it may be empty.
func refused(name, what, setting, instead string) error {
	hint := fmt.Sprintf("ask the runner's admin to add %q to %s", normalised(name), setting)
	if instead != "" {
		hint += ", or use " + instead
	}
	return fault.Job(fmt.Errorf("image %s may not be %s on this runner", name, what), hint)
}

// normalised returns an image name in full: docker.io/library/docker:dind for docker:dind.
func normalised(name string) string {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name
	}
	return reference.TagNameOnly(ref).String()
}
