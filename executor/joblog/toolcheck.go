package joblog

import (
	"slices"
	"strings"

	"gitlab-dind-executor/driver/plan"
)

// toolStages are the helper's stages whose scripts call the Runner's program. Without the
// program, the scripts print a passing remark, skip their work, and the job succeeds. Our
// own warning names a way out.
var toolStages = []string{
	"restore_cache", "download_artifacts", "archive_cache", "archive_cache_on_failure",
	"upload_artifacts_on_success", "upload_artifacts_on_failure",
}

// ToolCheck returns the check before a stage, or nil. version is the Runner's, "" for a
// development build.
func (l *Log) ToolCheck(stage, version string) *plan.ToolCheck {
	if !slices.Contains(toolStages, stage) {
		return nil
	}
	return &plan.ToolCheck{
		Series: version[:max(0, strings.LastIndexByte(version, '.'))],
		Missing: l.warning("the helper has no gitlab-runner, so this job's caches and artifacts are skipped",
			"ask the runner's admin for a helper.image with gitlab-runner-helper, or for helper.runner_binary"),
		Mismatch: l.warning("the helper has gitlab-runner %s, the runner is "+version+": caches and artifacts may fail",
			"ask the runner's admin for a helper.image of the runner's version ({version}), or for helper.runner_binary"),
	}
}
