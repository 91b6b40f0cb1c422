package joblog

import (
	"strings"
	"testing"
)

func TestOnlyStagesThatNeedTheRunnersProgramLookForIt(t *testing.T) {
	log := &Log{Colour: true}
	for _, stage := range []string{
		"restore_cache", "download_artifacts", "archive_cache", "archive_cache_on_failure",
		"upload_artifacts_on_success", "upload_artifacts_on_failure",
	} {
		if log.ToolCheck(stage, "18.6.6") == nil {
			t.Errorf("%s does not", stage)
		}
	}
	for _, stage := range []string{"prepare_script", "get_sources", "clear_worktree", "cleanup_file_variables", "a_new_one"} {
		if log.ToolCheck(stage, "18.6.6") != nil {
			t.Errorf("%s does", stage)
		}
	}
}

func TestWhatIsSaidOfARunnersProgramThatDoesNotServe(t *testing.T) {
	for version, series := range map[string]string{"18.6.6": "18.6", "19.0.10": "19.0", "": ""} {
		check := (&Log{Colour: true}).ToolCheck("restore_cache", version)
		if check.Series != series {
			t.Errorf("the series of %q is %q, want %q", version, check.Series, series)
		}
		for _, text := range []string{check.Missing, check.Mismatch} {
			warning, hint, _ := strings.Cut(text, "\n")
			if !strings.HasPrefix(warning, yellow+"warning: ") || !strings.HasSuffix(warning, plain) || !strings.HasPrefix(hint, "hint: ") {
				t.Errorf("%q is no warning with a hint", text)
			}
		}
		if strings.Count(check.Mismatch, "%") != 1 || !strings.Contains(check.Mismatch, "gitlab-runner %s,") {
			t.Errorf("%q has no place for the version", check.Mismatch)
		}
	}
}
