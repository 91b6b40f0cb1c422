package local

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestAJobCallsTheHooksInOrder(t *testing.T) {
	g := newRig(t, nil)
	res := g.run(fixture(t))
	g.expect(res, Success, 0, "")
	g.expectCalls("config prepare prepare_script get_sources restore_cache download_artifacts " +
		"build_script step_release after_script archive_cache upload_artifacts_on_success cleanup_file_variables cleanup")
	var phases []string
	for _, p := range res.Phases {
		phases = append(phases, p.Name)
		if p.ExitCode != 0 || p.Duration <= 0 || p.Start.IsZero() || p.Attempt != 1 {
			t.Errorf("phase is %+v", p)
		}
	}
	if got := strings.Join(phases, " "); got != strings.ReplaceAll(g.calls(), "step_script", "build_script") {
		t.Errorf("phases are %s", got)
	}
	if res.Attempts != 1 || res.Finished.Before(res.Started) {
		t.Errorf("result is %+v", res)
	}
	inOrder(t, g.log.String(),
		`Preparing the "custom" executor`, "Using Custom executor with driver fake v1...",
		"Preparing environment", "Getting source from Git repository", "Restoring cache", "Downloading artifacts",
		`Executing "step_script" stage of the job script`, `Executing "step_release" stage of the job script`,
		"Running after_script", "Saving cache for successful job", "Uploading artifacts for successful job",
		"Cleaning up project directory and file based variables", "Job succeeded")
	if strings.Contains(g.log.String(), "section_start") {
		t.Error("the log has section markers, which nobody asked for")
	}
}

func TestSectionsAreMarkedOnDemand(t *testing.T) {
	g := newRig(t, nil)
	g.SectionMarkers = true
	g.run(fixture(t))
	inOrder(t, g.log.String(), "section_start:", ":prepare_executor\r\x1b[0K", "section_end:", ":prepare_executor\r\x1b[0K",
		"section_start:", ":step_script\r\x1b[0K", "section_end:", ":step_script\r\x1b[0K")
}

func TestAHookFindsWhatTheRunnerGives(t *testing.T) {
	g := newRig(t, nil)
	g.Env = append(g.Env, "TMPDIR=/stale", "CUSTOM_ENV_CI=stale")
	hooks := map[string]int{}
	g.OnHook = func(h Hook) {
		name := h.Stage
		if name == "" {
			name = string(h.Kind)
		}
		hooks[name] = h.PID
	}
	p := fixture(t)
	g.run(p)
	dir := ""
	for _, r := range g.records() {
		if dir == "" {
			dir = r.Dir
		}
		switch {
		case r.Dir != dir || r.env("TMPDIR") != dir || filepath.Dir(dir) != g.TempDir:
			t.Errorf("%s: runs in %s with TMPDIR %s", r.Name, r.Dir, r.env("TMPDIR"))
		case r.env("JOB_RESPONSE_FILE") != dir+"/response.json" || r.ResponseMode != 0o600:
			t.Errorf("%s: response file %s has mode %o", r.Name, r.env("JOB_RESPONSE_FILE"), r.ResponseMode)
		case r.env("BUILD_EXIT_CODE_FILE") != dir+"/build_exit_code":
			t.Errorf("%s: BUILD_EXIT_CODE_FILE=%s", r.Name, r.env("BUILD_EXIT_CODE_FILE"))
		case r.env("BUILD_FAILURE_EXIT_CODE") != "1" || r.env("SYSTEM_FAILURE_EXIT_CODE") != "2":
			t.Errorf("%s: exit codes are not 1 and 2", r.Name)
		case r.Stdin != "/dev/null":
			t.Errorf("%s: stdin is %s", r.Name, r.Stdin)
		case r.Pid != r.Pgid || r.Pid != hooks[r.Name]:
			t.Errorf("%s: process %d is in group %d and was announced as %d", r.Name, r.Pid, r.Pgid, hooks[r.Name])
		case r.env("CUSTOM_ENV_CI") != "true":
			t.Errorf("%s: a variable of the Runner's own environment beats the job's", r.Name)
		}
		if r.Args[0] == "run" {
			rel, err := filepath.Rel(dir, r.Args[1])
			if err != nil || !strings.HasPrefix(rel, "script") || filepath.Base(rel) != "script" || r.ScriptMode != 0o700 {
				t.Errorf("%s: script is %s with mode %o", r.Name, r.Args[1], r.ScriptMode)
			}
		}
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the attempt's folder is left: %v", err)
	}

	var got Payload
	if err := json.Unmarshal([]byte(g.last("prepare").Response), &got); err != nil {
		t.Fatal(err)
	}
	if got.Image.Name != "registry.example.org/kitchen/kettle/base:1" {
		t.Errorf("the image in the payload is %q, not expanded", got.Image.Name)
	}
	if v := variables(got.Variables).value("IMAGE_TAG"); v != "$CI_REGISTRY_IMAGE:${CI_COMMIT_REF_SLUG}" {
		t.Errorf("a variable in the payload is expanded: %q", v)
	}
}

func TestTheEnvironmentIsInTheRunnersOrder(t *testing.T) {
	g := newRig(t, nil)
	g.Env = []string{fakeDir + "=" + g.dir, "GORACE=atexit_sleep_ms=0", "TMPDIR=/stale"}
	g.run(fixture(t))
	want, err := os.ReadFile("testdata/environment.txt")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("@arch@", runtime.GOOS+"/"+runtime.GOARCH, "@driver@", g.dir, "@dir@", g.last("prepare").Dir).Replace(string(want))
	got := strings.Join(g.last("prepare").Env, "\n") + "\n"
	if got != text {
		t.Errorf("the environment of prepare is\n%s\nwant\n%s", got, text)
	}
}

func TestConfigComesBeforeTheFoldersAreKnown(t *testing.T) {
	g := newRig(t, nil)
	g.run(fixture(t))
	config, prepare, after, cleanup := g.last("config"), g.last("prepare"), g.last("after_script"), g.last("cleanup")
	for _, c := range []struct {
		r         record
		key, want string
	}{
		{config, "CUSTOM_ENV_CI_PROJECT_DIR", ""},
		{config, "CUSTOM_ENV_CI_BUILDS_DIR", ""},
		{config, "CUSTOM_ENV_RUNNER_TEMP_PROJECT_DIR", ".tmp"},
		{config, "SANDBOX", ""},
		{config, "CUSTOM_ENV_CI_JOB_STATUS", "running"},
		{prepare, "CUSTOM_ENV_CI_PROJECT_DIR", "/builds/kitchen/kettle"},
		{prepare, "SANDBOX", "x"},
		{after, "CUSTOM_ENV_CI_JOB_STATUS", "success"},
		{cleanup, "SANDBOX", "x"},
	} {
		if got := c.r.env(c.key); got != c.want {
			t.Errorf("%s: %s is %q, want %q", c.r.Name, c.key, got, c.want)
		}
	}
}

func TestServicesComeWithTheirVariablesFrom19On(t *testing.T) {
	for version, want := range map[string]string{
		"18.6.6": `[{"name":"docker:28-dind","alias":"docker","entrypoint":null,"command":["--mtu=1400"]},{"name":"redis:7","alias":"","entrypoint":null,"command":null}]`,
		"19.3.0": `[{"name":"docker:28-dind","alias":"docker","entrypoint":null,"command":["--mtu=1400"],"variables":{"TAG":"main"}},{"name":"redis:7","alias":"","entrypoint":null,"command":null}]`,
	} {
		g := newRig(t, nil)
		g.Version = version
		g.run(fixture(t))
		if got := g.last("prepare").env("CUSTOM_ENV_CI_JOB_SERVICES"); got != want {
			t.Errorf("%s: CI_JOB_SERVICES is\n%s\nwant\n%s", version, got, want)
		}
	}
}

func TestJobEnvBeatsTheRunnerAndLosesToTheJob(t *testing.T) {
	g := newRig(t, map[string][]act{"config": {{
		Stdout: `{"builds_dir":"/b","cache_dir":"/c","job_env":{"BUILD_FAILURE_EXIT_CODE":"9","CUSTOM_ENV_CI":"no"}}`,
	}}})
	g.run(fixture(t))
	r := g.last("prepare")
	if r.env("BUILD_FAILURE_EXIT_CODE") != "9" || r.env("CUSTOM_ENV_CI") != "true" {
		t.Errorf("BUILD_FAILURE_EXIT_CODE=%s CUSTOM_ENV_CI=%s", r.env("BUILD_FAILURE_EXIT_CODE"), r.env("CUSTOM_ENV_CI"))
	}
	if !slices.Contains(r.Env, "CUSTOM_ENV_CI_BUILDS_DIR=/b") {
		t.Error("builds_dir of the answer is not taken")
	}
}

func TestCleanupsOutputGoesToTheRunnersLog(t *testing.T) {
	g := newRig(t, map[string][]act{"cleanup": {{Stdout: "gone\n", Stderr: "stuck", Exit: 2}}})
	res := g.run(small())
	g.expect(res, Success, 0, "")
	log := g.runnerLog.String()
	if !strings.Contains(log, "cleanup out: gone\n") || !strings.Contains(log, "cleanup err: stuck\n") {
		t.Errorf("the Runner's log is %q", log)
	}
	inOrder(t, g.log.String(), "WARNING: Cleanup script failed: exit status 2", "Job succeeded")
}
