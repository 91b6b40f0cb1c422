package plan

import (
	"path"
	"slices"
	"strings"
)

// ContainerdConfig is where the sidecar finds the configuration of the containerd that is
// started before dockerd.
const ContainerdConfig = "/etc/docker/gitlab-dind-executor-containerd.toml"

// ContainerdTOML is this configuration. Root and state are the paths that dockerd would
// give to its own containerd, so a data root serves both. The CRI plugin is off, as with
// dockerd, and so are plugins that would restart containers. containerd before 1.3 ignores
// unknown entries.
const ContainerdTOML = `version = 2
root = "/var/lib/docker/containerd/daemon"
state = "/run/docker/containerd/daemon"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.internal.v1.restart", "io.containerd.monitor.container.v1.restart"]

[grpc]
address = "/run/docker/containerd/containerd.sock"
`

// bootFast is a script that starts containerd ahead of dockerd, asks the mirror meanwhile,
// and becomes the image's entrypoint, which is $0. On a cached data root the names of
// images are forgotten between the two daemons.
func bootFast(cached bool) string {
	if cached {
		return askMirror + startContainerd + forgetFirst + handOver + dropNamed + bootLast
	}
	return askMirror + startContainerd + handOver + bootLast
}

// takesFiles tells whether a sidecar that boots the fast way gets its files on stdin. Only
// root can put them into their places.
func (s Sidecar) takesFiles() bool { return s.User == "" }

// bootDNS is the variable with name servers for bootFast. They serve all containers inside,
// behind Docker's resolver in /etc/resolv.conf. dockerd drops that resolver where it cannot
// be reached, and keeps it where it can. So the sandbox's names are known on networks that
// a job makes and with --network host. The dns key of daemon.json would replace the
// resolver.
const bootDNS = "GITLAB_DIND_EXECUTOR_DNS"

// Boot returns the sidecar's entrypoint and command for an image's entrypoint and command.
// An image that boots as the official images do gets the fast way, any other the plan's.
// The engine drops an image's command beside a new entrypoint, so Boot hands the command
// on.
func (s Sidecar) Boot(imageEntrypoint, imageCommand []string) (entrypoint, command []string) {
	official := s.Entrypoint == nil && len(imageEntrypoint) == 1 &&
		path.Base(imageEntrypoint[0]) == "dockerd-entrypoint.sh"
	flags := s.Command
	if len(flags) == 0 {
		flags = imageCommand
	}
	flagsOnly := len(flags) == 0 || strings.HasPrefix(flags[0], "-")
	ownContainerd := slices.ContainsFunc(flags, func(arg string) bool {
		return arg == "--containerd" || strings.HasPrefix(arg, "--containerd=")
	})
	prelude := ""
	if s.Rights.WritableCgroups {
		prelude = writableCgroups
	}
	if s.Relay {
		prelude += gvisor
	}
	if s.Layers {
		prelude += s.withCachedData()
	}
	if s.Seed != "" {
		prelude += s.planting()
	}
	if s.FastBoot && official && flagsOnly && !ownContainerd {
		if s.Layers {
			prelude += forgetNames
		}
		if s.takesFiles() {
			prelude = takeFiles + prelude
		}
		return []string{"sh", "-c", prelude + bootFast(s.Layers), imageEntrypoint[0]}, flags
	}
	if s.Layers {
		prelude += dropNamed
	}
	if prelude == "" {
		return s.Entrypoint, s.Command
	}
	own, args := imageEntrypoint, flags
	if s.Entrypoint != nil {
		own, args = s.Entrypoint, s.Command // as the engine does: an entrypoint drops the image's command
	}
	if len(own) == 0 || own[0] == "" {
		own = nil
	}
	return append([]string{"sh", "-c", prelude + `exec "$@"`, "sh"}, own...), args
}
