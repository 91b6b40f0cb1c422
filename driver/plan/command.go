package plan

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/fault"
)

// reserved are dockerd's flags that would move the inner daemon out of its place. Its data
// root is leased to a single sidecar, its files lie where this program puts them, and plugins
// and runtimes are the admin's.
var reserved = []string{
	"--data-root", "-g", "--graph", "--exec-root", "--pidfile", "-p", "--config-file", "--containerd",
	"--containerd-namespace", "--authorization-plugin", "--add-runtime", "--default-runtime", "--init-path",
	"--cgroup-parent", "--userland-proxy-path", "--cluster-store", "--swarm-default-advertise-addr",
}

// listeners are the addresses at which, by the documentation, a dind service may listen.
var listeners = []string{
	"tcp://0.0.0.0:2375", "tcp://0.0.0.0:2376", "tcp://:2375", "tcp://:2376",
	"unix:///var/run/docker.sock", "unix:///run/docker.sock", "unix://",
}

// checkCommand refuses forbidden parts of a dind service's command. The settings may refuse
// any command that is more than flags of dockerd. The error is a job fault.
func checkCommand(s config.Sidecar, svc Service) error {
	if s.Commands == config.CommandsAny && !IsDockerd(svc.Command) {
		return nil
	}
	if svc.Entrypoint != nil && s.Commands != config.CommandsAny || !IsDockerd(svc.Command) {
		return fault.Job(
			fmt.Errorf("service %s: only flags of dockerd are allowed as its command on this runner, and no entrypoint", svc.Name),
			"write command as a list of flags, or ask the runner's admin to set sidecar.commands to \"any\"")
	}
	for i, arg := range svc.Command {
		flag, value, inOne := strings.Cut(arg, "=")
		if !inOne && i+1 < len(svc.Command) {
			value = svc.Command[i+1]
		}
		if short, rest := ShortFlag(arg); short != "" {
			flag, value = short, rest
		}
		if slices.Contains(reserved, flag) {
			return fault.Job(fmt.Errorf("service %s: its command may not set %s", svc.Name, flag),
				"leave the flag out: the runner sets what the job's docker daemon needs")
		}
		if (flag == "--host" || flag == "-H") && !slices.Contains(listeners, value) {
			return fault.Job(fmt.Errorf("service %s: its command may not let dockerd listen at %q", svc.Name, value),
				"use one of "+strings.Join(listeners[:2], ", ")+", or leave the flag out")
		}
	}
	return nil
}

// ShortFlag splits a short flag, such as -H, from a value that follows without a space.
func ShortFlag(arg string) (flag, value string) {
	if len(arg) > 2 && arg[0] == '-' && arg[1] != '-' {
		return arg[:2], strings.TrimPrefix(arg[2:], "=")
	}
	return "", ""
}

// IsDockerd tells whether a command is dockerd with flags, or flags alone.
func IsDockerd(command []string) bool {
	if len(command) == 0 || strings.HasPrefix(command[0], "-") {
		return true
	}
	name := path.Base(command[0])
	return name == "dockerd" || name == "dockerd-entrypoint.sh"
}
