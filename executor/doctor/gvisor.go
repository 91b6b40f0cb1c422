package doctor

import (
	"slices"
	"strings"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/plan"
)

// gvisorArguments are arguments of gVisor's runtime for a docker daemon inside, which opens
// packet sockets when it makes networks.
var gvisorArguments = []string{"--net-raw", "--allow-packet-socket-write"}

// GVisors returns the settings of jobs under gVisor, for all jobs and by policy. Each
// runtime and image appears once.
func GVisors(s config.Settings) []config.Settings {
	var list []config.Settings
	for _, v := range plan.Variants(s) {
		same := func(o config.Settings) bool {
			return o.Sidecar.Runtime == v.Sidecar.Runtime && o.Sidecar.Image == v.Sidecar.Image
		}
		if v.Sidecar.Privilege == config.PrivilegeGVisor && !slices.ContainsFunc(list, same) {
			list = append(list, v)
		}
	}
	return list
}

// GVisor judges the engine's configuration of gVisor's runtime.
func GVisor(s config.Settings, e driver.Engine) Finding {
	const check = "gvisor"
	name := config.RuntimeOf(s.Sidecar.Privilege, s.Sidecar.Runtime)
	arguments, told := e.RuntimeArguments[name]
	var missing []string
	for _, a := range gvisorArguments {
		if told && !slices.ContainsFunc(arguments, func(has string) bool { return has == a || has == a+"=true" }) {
			missing = append(missing, a)
		}
	}
	if len(missing) > 0 {
		return Bad(check, `add them to its "runtimeArgs" in the engine's daemon.json, and reload the engine: docs/gvisor.md has the lines`,
			"the engine's runtime %q lacks %s", name, strings.Join(missing, " and "))
	}
	return Fine(check, "by the engine's runtime %q; each sandbox keeps up to %s in %s, and no layers", name, s.GVisor.Size, storedIn(s.GVisor))
}

func storedIn(g config.GVisor) string {
	if g.Storage == config.StorageFile {
		return "a file"
	}
	return "memory"
}
