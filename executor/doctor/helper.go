package doctor

import "strings"

// Helper judges the version of the helper's gitlab-runner beside the Runner's. Either is ""
// where unknown.
func Helper(image, tool string, there bool, runner string) Finding {
	const check = "helper"
	const hint = "set helper.image to one of the runner's version ({version}), or helper.runner_binary to this host's gitlab-runner"
	switch {
	case !there:
		return Doubt(check, hint, "%s has no gitlab-runner: caches and artifacts of jobs are skipped", image)
	case runner != "" && tool != "" && Series(tool) != Series(runner):
		return Doubt(check, hint, "%s has gitlab-runner %s, the runner is %s: caches and artifacts may fail", image, tool, runner)
	case runner == "":
		return Fine(check, "gitlab-runner %s; the Runner's own version is not known here", orUnknown(tool))
	}
	return Fine(check, "gitlab-runner %s for a Runner of %s", orUnknown(tool), runner)
}

// Series is a version without its patch number: "18.6" of "18.6.6".
func Series(version string) string {
	return version[:max(0, strings.LastIndexByte(version, '.'))]
}
