package runnerconfig

import (
	"strings"

	"gitlab-dind-executor/config"
)

// byPolicy is for keys that make a container more powerful than an ordinary container.
func byPolicy(setting string) rule {
	return without(rightsOf(setting))
}

func rightsOf(setting string) string {
	return "it opens a way to the host, so that only a [[policy]] that names the projects with a need gives it: " + setting
}

func securityOptions(table string) rule {
	return func(c *Conversion, key string, d map[string]any) {
		for _, o := range list(d[key]) {
			if o == "no-new-privileges" || o == "no-new-privileges:true" || o == "no-new-privileges=true" {
				c.put(table, "no_new_privileges", true, key+" "+o, "")
			} else {
				c.drop(key+" "+o, rightsOf(table+".security_opt"))
			}
		}
	}
}

// runtime converts the runtime for the sidecar, with the matching privilege.
func runtime(c *Conversion, key string, d map[string]any) {
	name := text(d[key])
	switch {
	case name == "sysbox-runc":
		c.putNear("sidecar", "runtime", name, key, "for the sidecar alone")
		c.putNear("sidecar", "privilege", config.PrivilegeRuntime, key, "")
	case strings.HasPrefix(name, config.GVisorRuntime):
		c.putNear("sidecar", "runtime", name, key, "for the sidecar alone; its arguments in the engine's daemon.json: docs/gvisor.md")
		c.putNear("sidecar", "privilege", config.PrivilegeGVisor, key, "")
	default:
		c.drop(key, "the sidecar has its own, sidecar.runtime; for job containers, "+rightsOf("job.runtime")+", and GPUs come by job.gpus")
	}
}

func privileged(c *Conversion, key string, d map[string]any) {
	if d[key] == true {
		c.holdsNear("sidecar", "privilege", config.PrivilegePrivileged, key, "only the sidecar with the job's daemon is privileged, no job container and no service: sidecar.privilege")
	} else {
		c.holdsNear("sidecar", "privilege", config.PrivilegePrivileged, key, "the sidecar with the job's daemon is privileged all the same: sidecar.privilege has others, docs/security.md compares them")
	}
}
