package engine

import (
	"fmt"
	"maps"
	"strings"

	"github.com/docker/docker/api/types/filters"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/pattern"
)

// Installation is the environment variable that names one of several installations on an engine.
// An installation's objects carry the name, and the installation finds only these: its sweeps,
// caches, pool and seeds are its own. A mirror of the same settings serves all. Without a name
// all objects of this program are found. A pipeline cannot set the variable.
//
// The tests of this project have a name, and so touch only their own objects.
const Installation = "GITLAB_DIND_EXECUTOR_INSTALLATION"

var validInstallation = pattern.New(`^[a-z0-9][a-z0-9.-]{0,62}$`)

// checkInstallation refuses a name that cannot be a value in a filter of labels.
func checkInstallation(name string) error {
	if name == "" || validInstallation.MatchString(name) {
		return nil
	}
	return fault.System(fmt.Errorf("%s: %q is no name of an installation", Installation, name), "use lower-case letters, digits, dots and hyphens, 63 at most")
}

// labelled makes a filter of labels, each a key or key=value. A search for our own objects is
// narrowed to this installation, unless the labels name a job or a sandbox.
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

// named adds the installation's name to labels, unless there are none.
func (e *Engine) named(labels map[string]string) map[string]string {
	if e.installation == "" || len(labels) == 0 {
		return labels
	}
	all := maps.Clone(labels)
	all[label.Installation] = e.installation
	return all
}

// namedSpec adds the installation's name to the labels of a container and its volumes.
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
