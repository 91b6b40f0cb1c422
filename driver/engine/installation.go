package engine

import (
	"fmt"
	"maps"
	"regexp"
	"strings"

	"github.com/docker/docker/api/types/filters"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/fault"
)

// Installation is the variable of this program's environment that names one of several
// installations on an engine. What such a one makes carries the name, and of what is
// ours it finds only that: its sweeps, its caches, its pool and its seeds are its own. A
// mirror of the same settings serves all. Without a name all that is ours is found. A
// pipeline cannot set it.
//
// The tests of this project have a name, so that they touch only what they have made.
const Installation = "GITLAB_DIND_EXECUTOR_INSTALLATION"

var validInstallation = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,62}$`)

// checkInstallation refuses what would be no value of a label's filter.
func checkInstallation(name string) error {
	if name == "" || validInstallation.MatchString(name) {
		return nil
	}
	return fault.System(fmt.Errorf("%s: %q is no name of an installation", Installation, name), "use lower-case letters, digits, dots and hyphens, 63 at most")
}

// labelled filters by labels, each a key or key=value. What is ours is this
// installation's alone, but for one job or one sandbox: those are known by themselves.
func (e *Engine) labelled(labels []string) filters.Args {
	f := filters.NewArgs()
	ours, known := false, false
	for _, l := range labels {
		f.Add("label", l)
		key, _, one := strings.Cut(l, "=")
		ours = ours || label.IsOurs(key)
		known = known || one && (key == label.Job || key == label.Sandbox)
	}
	if e.installation != "" && ours && !known {
		f.Add("label", label.Installation+"="+e.installation)
	}
	return f
}

// named are labels with the installation's name, where there are any.
func (e *Engine) named(labels map[string]string) map[string]string {
	if e.installation == "" || len(labels) == 0 {
		return labels
	}
	all := maps.Clone(labels)
	all[label.Installation] = e.installation
	return all
}

// namedSpec is a spec whose container and whose volumes have the installation's name.
func (e *Engine) namedSpec(s Spec) Spec {
	if e.installation == "" || s.config == nil {
		return s
	}
	config := *s.config
	config.Labels = e.named(config.Labels)
	s.config = &config
	if s.host == nil {
		return s
	}
	host := *s.host
	host.Mounts = append(host.Mounts[:0:0], host.Mounts...)
	for i, m := range host.Mounts {
		if m.VolumeOptions != nil && len(m.VolumeOptions.Labels) > 0 {
			options := *m.VolumeOptions
			options.Labels = e.named(options.Labels)
			host.Mounts[i].VolumeOptions = &options
		}
	}
	s.host = &host
	return s
}
