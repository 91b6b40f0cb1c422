package doctor

import (
	"fmt"
	"slices"
	"strings"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/host"
)

// perJob is a running job's share of each limit. docs/many-hosts.md describes the count.
var perJob = map[string]int64{
	host.LimitPIDs:      120,
	host.LimitThreads:   120,
	host.LimitNeighbors: 9,
	host.LimitConntrack: 80,
	host.LimitInotify:   4,
	host.LimitFiles:     900,
	host.LimitKeys:      4,
	host.LimitUserKeys:  1,
	host.TasksDocker:    35,
	host.TasksShims:     35,
	host.TasksRunner:    17,
}

// Limits judges whether the kernel and the units of this host bear jobs at once, beside the
// present use. The result has a finding for each limit that is too low.
func Limits(limits []host.Limit, jobs int, s config.Settings) []Finding {
	const check = "limits"
	jobs = max(jobs, 1)
	privileges, _ := Wanted(s)
	var found []Finding
	for _, l := range limits {
		if l.Name == host.LimitUserKeys && !slices.Contains(privileges, config.PrivilegeRootless) {
			continue // its keys are root's
		}
		if more := int64(jobs) * perJob[l.Name]; l.Max-l.Used < more {
			found = append(found, Doubt(check, raise(l.Name, l.Used+2*more),
				"%s is %d, of which %d are in use: %d jobs at once take about %d", l.Name, l.Max, l.Used, jobs, more))
		}
	}
	if len(found) == 0 {
		return []Finding{Fine(check, "this host's limits allow %d jobs at once", jobs)}
	}
	return found
}

// raise says how to raise a limit.
func raise(name string, to int64) string {
	if _, unit, is := strings.Cut(name, "= of "); is {
		return fmt.Sprintf("systemctl edit %s, and write [Service] and TasksMax=infinity", unit)
	}
	return fmt.Sprintf("write %s = %d into a file of /etc/sysctl.d, then call sysctl --system", name, to)
}
