package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/distribution/reference"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/pattern"
)

// Tags of dind images on the Docker Hub, from which tags of rootless images are made.
var (
	dindTag    = pattern.New(`^((?:.*-)?dind)(?:-alpine[0-9.]*)?$`)
	versionTag = pattern.New(`^([0-9][0-9.]*(?:-(?:rc|beta)[0-9.]*)?)(?:-alpine[0-9.]*)?$`)
)

// rootlessVariant returns the image that replaces a dind image where daemons run without
// root. ok is false where the image stays. An image with a digest stays, because its
// variant cannot be known.
func rootlessVariant(s config.Sidecar, name string) (variant string, ok bool) {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil || s.Privilege != config.PrivilegeRootless || len(s.RootlessVariants) == 0 {
		return "", false
	}
	if _, digest := ref.(reference.Digested); digest || !hasRootlessVariants(s, ref.Name()) {
		return "", false
	}
	tag := "dind"
	if t, tagged := ref.(reference.Tagged); tagged && t.Tag() != "latest" {
		tag = t.Tag()
	}
	switch {
	case strings.Contains(tag, "rootless"):
		return "", false
	case dindTag.MatchString(tag):
		tag = dindTag.FindStringSubmatch(tag)[1] + "-rootless"
	case versionTag.MatchString(tag):
		tag = versionTag.FindStringSubmatch(tag)[1] + "-dind-rootless"
	default:
		return "", false
	}
	tagged, err := reference.WithTag(reference.TrimNamed(ref), tag)
	if err != nil {
		return "", false
	}
	return reference.FamiliarString(tagged), true
}

// hasRootlessVariants tells whether a repository has rootless images. The settings say so
// by their patterns, or by a rootless sidecar.image of this repository.
func hasRootlessVariants(s config.Sidecar, repository string) bool {
	own, err := reference.ParseNormalizedNamed(s.Image)
	if t, tagged := own.(reference.Tagged); err == nil && tagged && strings.Contains(t.Tag(), "rootless") && own.Name() == repository {
		return true
	}
	return slices.ContainsFunc(s.RootlessVariants, func(pattern string) bool {
		return doublestar.MatchUnvalidated(pattern, repository)
	})
}

// withRootless replaces dind images of a job's services by their rootless variants. notes
// has a line for each replacement.
func withRootless(s config.Sidecar, services []Service) (served []Service, notes []string) {
	served = slices.Clone(services)
	for i, svc := range served {
		if !IsDind(svc) {
			continue
		}
		if variant, ok := rootlessVariant(s, svc.Name); ok {
			served[i].Name = variant
			note := fmt.Sprintf("%s serves in the place of %s: the docker daemon of this job runs without root", variant, svc.Name)
			if !slices.Contains(notes, note) {
				notes = append(notes, note)
			}
		}
	}
	return served, notes
}

// rootlessSocket is where pipelines look for a daemon's socket. A rootless daemon has its
// socket elsewhere, so it also listens here, inside its own namespaces.
const rootlessSocket = "unix:///var/run/docker.sock"

// listensAtSocket tells whether a command already names this socket.
func listensAtSocket(command []string) bool {
	return slices.ContainsFunc(command, func(arg string) bool {
		return strings.Contains(arg, "unix://") && (strings.HasSuffix(arg, "unix://") || strings.HasSuffix(arg, "/run/docker.sock"))
	})
}
