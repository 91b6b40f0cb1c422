package doctor

import (
	"fmt"
	"slices"
	"strings"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
)

// Containers judges the settings that make job containers and services more powerful than
// ordinary containers. there tells whether a path is on this host.
func Containers(s config.Settings, e driver.Engine, there func(path string) bool) []Finding {
	const check = "containers"
	var found []Finding
	judge := func(where string, volumes []string) {
		for _, v := range volumes {
			b, err := config.ParseBind(v)
			if err != nil {
				continue // the settings' own fault
			}
			socket, local := strings.CutPrefix(e.Address, "unix://")
			switch {
			case local && config.Within(socket, b.Source):
				found = append(found, Bad(check, "take it out of "+where+" in the settings", "%s gives jobs %s, the engine's socket: whoever reaches that is root on this host", b.Source, socket))
			case e.DataRoot != "" && (config.Within(e.DataRoot, b.Source) || config.Within(b.Source, e.DataRoot)):
				found = append(found, Bad(check, "take it out of "+where+" in the settings", "%s gives jobs something of %s, where the engine keeps its data and that of all jobs", b.Source, e.DataRoot))
			case local && !there(b.Source):
				found = append(found, Bad(check, "make it, or mend "+where+" in the settings", "%s is not on this host, and no container with it can be made", b.Source))
			case !b.ReadOnly:
				found = append(found, Doubt(check, "add :ro in "+where+" unless jobs are to write there; what one job writes, all others read",
					"jobs can write %s of this host", b.Source))
			}
		}
	}
	judge("job.volumes", s.Job.Volumes)
	judge("services.volumes", s.Services.Volumes)
	for i, p := range s.Policies {
		name := fmt.Sprintf("policy %d", i+1)
		if p.Name != "" {
			name += " (" + p.Name + ")"
		}
		judge("job.volumes of "+name, p.Job.Volumes)
		judge("services.volumes of "+name, p.Services.Volumes)
		if r := p.Job.Runtime; r != "" && !slices.Contains(e.Runtimes, r) {
			found = append(found, Bad(check, `install it and name it under "runtimes" in the engine's daemon.json, or change job.runtime`,
				"the engine has no runtime %q, which %s wants; it has %s", r, name, strings.Join(e.Runtimes, ", ")))
		}
		for _, c := range []struct {
			whose string
			names []string
		}{{"job containers", p.Job.Rights.Names()}, {"services", p.Services.ServiceRights.Names()}} {
			if len(c.names) > 0 {
				found = append(found, Doubt(check, "keep it to projects in which you trust everybody who can push, and to protected = true",
					"%s gives %s more than an ordinary container has: %s; it can be enough to become root on this host", name, c.whose, strings.Join(c.names, ", ")))
			}
		}
	}
	if len(found) == 0 {
		return []Finding{Fine(check, "jobs and services get ordinary rights")}
	}
	return found
}
