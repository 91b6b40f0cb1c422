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

// bootFast starts containerd and hands it to the dockerd that the image's
// entrypoint, which is $0, starts. dockerd left alone starts containerd itself,
// finds no socket at its first look and sleeps a whole second before the second:
// most of what an inner daemon's boot takes. containerd boots beside the
// entrypoint's own work: what that finds as dockerd waits for the socket (at most
// 3 s) and then becomes dockerd, with what the entrypoint has made of PATH: that
// may be where dockerd is to find iptables. Where anything is missing, the
// entrypoint goes its own way.
// Meanwhile askMirror runs. On a kept data root the names of images are forgotten
// between the two daemons.
func bootFast(kept bool) string {
	forget, rest := "", ""
	if kept {
		forget, rest = forgetFirst, dropNamed
	}
	return askMirror + `c=` + ContainerdConfig + `
s=/run/docker/containerd/containerd.sock
d=$(command -v dockerd)
if [ -n "$d" ] && command -v containerd >/dev/null && [ -f $c ]; then
  mkdir -p /run/docker/containerd /run/gitlab-dind-executor
  rm -f $s /run/docker/containerd/containerd.pid
  containerd --config $c >/dev/null 2>&1 &
  p=$!
  await_containerd="i=0; while [ ! -S $s ] && [ \$i -lt 300 ] && kill -0 $p 2>/dev/null; do sleep 0.01; i=\$((i+1)); done; [ -S $s ]"
` + forget + `  if [ -n "$p" ]; then
    cat >/run/gitlab-dind-executor/dockerd <<END
#!/bin/sh
if $await_containerd; then exec $d --containerd=$s "\$@"; fi
kill $p 2>/dev/null
exec $d "\$@"
END
    chmod 755 /run/gitlab-dind-executor/dockerd
    PATH=/run/gitlab-dind-executor:$PATH
  fi
fi
` + rest + bootLast
}

// forgetFirst waits for containerd where names are to be forgotten in it. One
// that cannot is ended, and with it the fast way.
const forgetFirst = `  if [ -n "$names" ]; then
    if eval "$await_containerd" && forget_names $s "$seeded"; then names=; else kill $p 2>/dev/null; wait $p 2>/dev/null; p=; fi
  fi
`

// takeFiles comes first in a sidecar that gets its files, an archive, on its
// stdin. An engine takes longer to copy files into a container than to start one.
// One that takes the place of another has them.
const takeFiles = `[ -e ` + FilesMark + ` ] || tar -xf - -C / || { echo "the files of this docker daemon did not arrive" >&2; exit 1; }
exec </dev/null
`

// takesFiles tells whether a sidecar that boots the fast way gets its files on
// its stdin: root alone can put them where they belong.
func (s Sidecar) takesFiles() bool { return s.User == "" }

// bootLast ends bootFast, and nothing else.
const bootLast = `[ -z "$m" ] || wait $m
for d in $` + bootDNS + `; do echo "nameserver $d"; done >>/etc/resolv.conf
exec "$0" "$@"`

// bootDNS is the variable by which bootFast learns of name servers. Behind
// Docker's own resolver in /etc/resolv.conf they serve every container inside:
// dockerd leaves that resolver out where it cannot be reached, and keeps it
// where it can, so that the sandbox's names are known on networks that a job
// makes and with --network host. The dns key of daemon.json would replace it.
const bootDNS = "GITLAB_DIND_EXECUTOR_DNS"

// writableCgroups comes before the entrypoint where the engine mounts cgroups
// read-only and the inner daemon must make some.
const writableCgroups = `while read -r _ _ _ _ point _; do
  case $point in /sys/fs/cgroup|/sys/fs/cgroup/*) mount -o remount,bind,rw "$point" || exit 1 ;; esac
done </proc/self/mountinfo
`

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
	if s.Layers {
		prelude += s.withKeptData()
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
