package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"gitlab-dind-executor/config"
)

// Prepull returns the images that the settings name for the engine, without repeats. The
// command `prepull` fetches them. version is the Runner's version and arch the engine's
// architecture, both for the helper's image.
func Prepull(s config.Settings, version, arch string) []string {
	names := []string{s.Sidecar.Image, s.Job.Image, helperName(s.Helper.Image, version, arch)}
	for _, o := range s.Service {
		names = append(names, o.Name)
	}
	for _, p := range s.Policies {
		names = append(names, p.Sidecar.Image, p.Job.Image)
	}
	if s.Mirror.Enabled {
		names = append(names, s.Mirror.Image)
	}
	names = append(names, s.Pull.Prepull...)
	var distinct []string
	for _, n := range names {
		if n == "" || slices.ContainsFunc(distinct, func(d string) bool { return normalised(d) == normalised(n) }) {
			continue
		}
		distinct = append(distinct, n)
	}
	return distinct
}

// PrepullRef says how the command `prepull` fetches an image: anew, even if the engine has
// the image.
func PrepullRef(name string, credentials []Credential) (ImageRef, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return ImageRef{}, fmt.Errorf("%q is no image name", name)
	}
	// Without a tag the engine would fetch all tags.
	return ImageRef{Name: reference.FamiliarString(reference.TagNameOnly(named)), Policies: []string{config.PullAlways}, Auth: credential(credentials, named)}, nil
}

// Hosts returns the registry hosts of images, without repeats.
func Hosts(names []string) []string {
	var hosts []string
	for _, n := range names {
		named, err := reference.ParseNormalizedNamed(n)
		if err == nil && !slices.Contains(hosts, reference.Domain(named)) {
			hosts = append(hosts, reference.Domain(named))
		}
	}
	return hosts
}

// helperName returns the name of the helper's image for a Runner. A development build of
// the Runner has no version, so it gets the latest image.
func helperName(image, version, arch string) string {
	if version == "" {
		image = strings.NewReplacer("v{version}", "latest", "{version}", "latest").Replace(image)
	}
	return strings.NewReplacer("{version}", version, "{arch}", arch).Replace(image)
}
