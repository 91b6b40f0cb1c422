package local

import (
	"path/filepath"
	"strings"
	"testing"
)

const upToScript = "config prepare prepare_script get_sources build_script "

func TestTheExitOfARunHookDecides(t *testing.T) {
	for name, c := range map[string]struct {
		act     act
		state   State
		code    int
		message string
	}{
		"a script's own code is taken from the file": {
			act{Exit: 1, Code: "42\nnot this"}, Failed, 42, "exit status 42",
		},
		"without the file the code is 1": {act{Exit: 1}, Failed, 1, "exit status 1"},
		"a file without a number is the driver's fault": {
			act{Exit: 1, Code: "many"},
			SystemFailure, 0,
			"unknown Custom executor executable exit code 2; executable execution terminated with: exit status 1",
		},
		"the system's code fails the system": {act{Exit: 2, Code: "42"}, SystemFailure, 0, "exit status 2"},
		"another code is unknown": {
			act{Exit: 7},
			SystemFailure, 0,
			"unknown Custom executor executable exit code 7; executable execution terminated with: exit status 7",
		},
		"so is a signal": {
			act{Kill: true},
			SystemFailure, 0,
			"unknown Custom executor executable exit code -1; executable execution terminated with: signal: killed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, map[string][]act{"build_script": {c.act}})
			res := g.run(small())
			g.expect(res, c.state, c.code, c.message)
			g.expectCalls(upToScript + "after_script cleanup_file_variables cleanup")
			if got := g.last("after_script").env("CUSTOM_ENV_CI_JOB_STATUS"); got != "failed" {
				t.Errorf("after_script is told %q", got)
			}
			closing := "ERROR: Job failed: " + c.message
			if c.state == SystemFailure {
				closing = "ERROR: Job failed (system failure): " + c.message
			}
			if !strings.HasSuffix(strings.TrimSpace(g.log.String()), closing+plain) {
				t.Errorf("the log ends with\n%s", g.log)
			}
		})
	}
}

func TestAStaleExitCodeLeaksIntoALaterFailure(t *testing.T) {
	g := newRig(t, map[string][]act{
		"get_sources":  {{Code: "42"}},
		"build_script": {{Exit: 1}},
	})
	g.expect(g.run(small()), Failed, 42, "exit status 42")
}

func TestAfterScriptDoesNotChangeTheResult(t *testing.T) {
	g := newRig(t, map[string][]act{"after_script": {{Exit: 1, Code: "3"}}})
	g.expect(g.run(small()), Success, 0, "")
	inOrder(t, g.log.String(), "WARNING: after_script failed, but job will continue unaffected: exit status 3", "Job succeeded")

	g = newRig(t, map[string][]act{"after_script": {{Exit: 1, Code: "3"}}})
	p := small()
	p.Variables = []Variable{{Key: "AFTER_SCRIPT_IGNORE_ERRORS", Value: "false"}}
	g.expect(g.run(p), Failed, 3, "exit status 3")
}

func TestAFailedScriptArchivesForFailures(t *testing.T) {
	g := newRig(t, map[string][]act{"build_script": {{Exit: 1}}})
	p := fixture(t)
	p.Cache[0].When = "on_failure"
	g.run(p)
	g.expectCalls("config prepare prepare_script get_sources restore_cache download_artifacts " +
		"build_script after_script archive_cache_on_failure upload_artifacts_on_failure cleanup_file_variables cleanup")
}

func TestSourcesAreTriedAsOftenAsTheJobSays(t *testing.T) {
	g := newRig(t, map[string][]act{"get_sources": {{Exit: 1}, {Exit: 2}, {}}})
	p := small()
	p.Variables = []Variable{{Key: "GET_SOURCES_ATTEMPTS", Value: "3"}}
	g.expect(g.run(p), Success, 0, "")
	g.expectCalls("config prepare prepare_script get_sources clear_worktree get_sources get_sources " +
		"build_script after_script cleanup_file_variables cleanup")

	g = newRig(t, map[string][]act{"get_sources": {{Exit: 1}}})
	g.expect(g.run(small()), Failed, 1, "exit status 1")
	g.expectCalls("config prepare prepare_script get_sources cleanup_file_variables cleanup")
}

func TestPrepareIsRetriedForTheSystemsFaultsAlone(t *testing.T) {
	const attempt = "config prepare cleanup "
	for name, c := range map[string]struct {
		plan     map[string][]act
		state    State
		message  string
		attempts int
		calls    string
	}{
		"three failures are the end": {
			map[string][]act{"prepare": {{Exit: 2}}}, SystemFailure, "exit status 2", 3, attempt + attempt + "config prepare cleanup",
		},
		"the third attempt may be the good one": {
			map[string][]act{"prepare": {{Exit: 2}, {Exit: 9}, {}}},
			Success, "", 3,
			attempt + attempt + upToScript + "after_script cleanup_file_variables cleanup",
		},
		"a failure of the job is final": {
			map[string][]act{"prepare": {{Exit: 1}}}, Failed, "exit status 1", 1, "config prepare cleanup",
		},
		"config is retried too": {
			map[string][]act{"config": {{Exit: 2}, {Stdout: answer}}},
			Success, "", 2,
			"config cleanup " + upToScript + "after_script cleanup_file_variables cleanup",
		},
		"an answer that is not JSON is a fault of the system": {
			map[string][]act{"config": {{Stdout: "hello"}}},
			SystemFailure,
			"error while parsing JSON output: invalid character 'h' looking for beginning of value", 3,
			"config cleanup config cleanup config cleanup",
		},
		"a missing folder is a fault of the configuration": {
			map[string][]act{"config": {{Stdout: `{"cache_dir":"/cache"}`}}}, Failed, "the builds_dir is not configured", 1, "config cleanup",
		},
		"a failure in prepare_script ends the job": {
			map[string][]act{"prepare_script": {{Exit: 2}}},
			SystemFailure, "prepare environment: exit status 2", 1,
			"config prepare prepare_script cleanup",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, c.plan)
			res := g.run(small())
			code := 0
			if c.state == Failed && c.plan["prepare"] != nil {
				code = 1
			}
			g.expect(res, c.state, code, c.message)
			g.expectCalls(c.calls)
			if res.Attempts != c.attempts {
				t.Errorf("attempts are %d, want %d", res.Attempts, c.attempts)
			}
			dirs := map[string]bool{}
			for _, r := range g.records() {
				dirs[r.Dir] = true
			}
			left, err := filepath.Glob(filepath.Join(g.TempDir, "*"))
			if len(dirs) != c.attempts || len(left) > 0 || err != nil {
				t.Errorf("folders are %v, left are %v", dirs, left)
			}
		})
	}
}

func TestTheSecondConfigHookKnowsTheFolders(t *testing.T) {
	g := newRig(t, map[string][]act{"prepare": {{Exit: 2}, {}}})
	g.run(small())
	if got := g.last("config").env("CUSTOM_ENV_CI_PROJECT_DIR"); got != "/builds/kitchen/kettle" {
		t.Errorf("CI_PROJECT_DIR is %q", got)
	}
}

func TestADriverThatIsMissingFailsTheSystem(t *testing.T) {
	g := newRig(t, nil)
	g.Executable = "/nonexistent/driver"
	res := g.run(small())
	if res.State != SystemFailure || !strings.Contains(res.Err.Error(), "failed to start command") {
		t.Errorf("result is %s, %v", res.State, res.Err)
	}
}
