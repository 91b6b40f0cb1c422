package plan

import (
	"path"
	"slices"
	"strings"
)

// ContainerdConfig is where the sidecar finds the configuration for the
// containerd that is started before dockerd.
const ContainerdConfig = "/etc/docker/gitlab-dind-executor-containerd.toml"

// ContainerdTOML is that configuration. Root and state are where dockerd would
// put those of a containerd of its own, so that a data root serves both. The
// CRI plugin is off, as dockerd has it, and so is what would start containers
// anew by itself. containerd before 1.3 passes over what it does not know here.
const ContainerdTOML = `version = 2
root = "/var/lib/docker/containerd/daemon"
state = "/run/docker/containerd/daemon"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.internal.v1.restart", "io.containerd.monitor.container.v1.restart"]

[grpc]
address = "/run/docker/containerd/containerd.sock"
`

// bootFast starts containerd ahead of dockerd, asks the mirror beside that, and
// hands over to the image's entrypoint, which is $0. On a cached data root the
// names of images are forgotten between the two daemons.
func bootFast(cached bool) string {
	if cached {
		return askMirror + startContainerd + forgetFirst + handOver + dropNamed + bootLast
	}
	return askMirror + startContainerd + handOver + bootLast
}

// takesFiles tells whether a sidecar that boots the fast way gets its files on
// its stdin: root alone can put them where they belong.
func (s Sidecar) takesFiles() bool { return s.User == "" }

// bootDNS is the variable by which bootFast learns of name servers. Behind
// Docker's own resolver in /etc/resolv.conf they serve every container inside:
// dockerd leaves that resolver out where it cannot be reached, and keeps it
// where it can, so that the sandbox's names are known on networks that a job
// makes and with --network host. The dns key of daemon.json would replace it.
const bootDNS = "GITLAB_DIND_EXECUTOR_DNS"

// Boot returns the sidecar's entrypoint and command for an image with the given
// entrypoint and command: those of the plan, or, where the image boots as the
// official ones do, the fast way. The engine drops an image's command when it is
// given an entrypoint, so that is handed on.
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
		own, args = s.Entrypoint, s.Command // the engine's way: an entrypoint drops the image's command
	}
	if len(own) == 0 || own[0] == "" {
		own = nil
	}
	return append([]string{"sh", "-c", prelude + `exec "$@"`, "sh"}, own...), args
}
