package doctor

import (
	"fmt"
	"slices"

	"gitlab-dind-executor/config"
)

// Protection names the releases of GitLab and of the Runner that the settings need. No
// GitLab answers without a job, so an older GitLab is no finding: each of its jobs warns.
// runner is the Runner's version, or "" where unknown.
func Protection(s config.Settings, runner string) Finding {
	const check = "protection"
	asks := slices.ContainsFunc(s.Policies, func(p config.Policy) bool { return p.Protected != nil })
	var what string
	switch {
	case s.Caches() && asks:
		what = "what is cached, and policies with protected, need"
	case s.Caches():
		what = "what is cached needs"
	case asks:
		what = "policies with protected need"
	default:
		return Fine(check, "any GitLab will do")
	}
	what += " GitLab 18.3 and GitLab Runner 18.4, or later"
	var major, minor int
	if n, _ := fmt.Sscanf(runner, "%d.%d", &major, &minor); n == 2 && (major < 18 || major == 18 && minor < 4) {
		return Doubt(check, "upgrade GitLab Runner, which leaves out of jobs what it does not know", "%s; this one is %s, and its jobs do without", what, runner)
	}
	return Fine(check, "%s", what)
}
