package doctor

import (
	"slices"

	"gitlab-dind-executor/config"
)

// Protection names the GitLab that the settings need. None can be asked without a
// job, so this is no finding of a fault: each job of an older one warns.
func Protection(s config.Settings) Finding {
	const check = "protection"
	asks := slices.ContainsFunc(s.Policies, func(p config.Policy) bool { return p.Protected != nil })
	switch {
	case s.Caches() && asks:
		return Fine(check, "what is cached, and policies with protected, need GitLab 18.3 or later")
	case s.Caches():
		return Fine(check, "what is cached needs GitLab 18.3 or later")
	case asks:
		return Fine(check, "policies with protected need GitLab 18.3 or later")
	}
	return Fine(check, "any GitLab will do")
}
