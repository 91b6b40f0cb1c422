package executor

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitlab.com/gitlab-org/gitlab-runner/executors/custom/api"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/executor/payload"
)

// The answer is read with the Runner's own types, and strictly.
func TestAnswerToTheConfigCall(t *testing.T) {
	var stdout, stderr bytes.Buffer
	file := filepath.Join(t.TempDir(), "dind.toml")
	if err := os.WriteFile(file, []byte("[sidecar]\nimage = \"docker:28-dind\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := time.Now().Add(-time.Second)
	if code := Main([]string{"--settings", file, "config"}, nil, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	if stderr.Len() != 0 {
		t.Errorf("the job log would show %q", stderr.String())
	}
	var got api.ConfigExecOutput
	dec := json.NewDecoder(&stdout)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Driver == nil || *got.Driver.Name != "gitlab-dind-executor" || *got.Driver.Version == "" {
		t.Errorf("driver %+v", got.Driver)
	}
	if *got.BuildsDir != "/builds" || *got.CacheDir != "/cache" || *got.BuildsDirIsShared || *got.Hostname == "" {
		t.Errorf("builds %s, cache %s, shared %t, host %q", *got.BuildsDir, *got.CacheDir, *got.BuildsDirIsShared, *got.Hostname)
	}
	env := *got.JobEnv
	started, err := time.Parse(time.RFC3339Nano, env["GITLAB_DIND_EXECUTOR_STARTED"])
	if err != nil || started.Before(before) || started.After(time.Now()) {
		t.Errorf("started %s (%v)", started, err)
	}
	if digest := env["GITLAB_DIND_EXECUTOR_SETTINGS"]; digest == "" || digest == config.Default().Digest() {
		t.Errorf("the settings' digest is %q", digest)
	}
	for k := range env {
		if strings.HasPrefix(k, "CUSTOM_ENV_") {
			t.Errorf("%s could be taken for a variable of the job", k)
		}
	}
}

func TestWhenAJobStarted(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		said string
		want time.Time
	}{
		"as the config hook said":     {"2026-07-01T11:59:58.5Z", now.Add(-1500 * time.Millisecond)},
		"nothing said":                {"", now},
		"nonsense":                    {"yesterday", now},
		"in the future, which is now": {"2026-07-01T12:00:01Z", now},
	} {
		t.Run(name, func(t *testing.T) {
			caller := &call{env: payload.Environment{envStarted: c.said}}
			if got := caller.started(now); !got.Equal(c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestWhichStagesRunInTheJobContainer(t *testing.T) {
	for stage, want := range map[string]bool{
		"prepare_script": false, "get_sources": false, "clear_worktree": false, "restore_cache": false, "download_artifacts": false,
		"build_script": true, "step_script": true, "step_release": true, "after_script": true,
		"archive_cache": false, "archive_cache_on_failure": false, "upload_artifacts_on_success": false,
		"upload_artifacts_on_failure": false, "cleanup_file_variables": false, "": false, "a_stage_of_the_future": false,
	} {
		if got := buildSide(stage); got != want {
			t.Errorf("%q: %t", stage, got)
		}
	}
}

func TestAScriptIsReadWhole(t *testing.T) {
	file := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(file, []byte("echo a\necho b"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got, err := readScript(file); err != nil || string(got) != "echo a\necho b" {
		t.Errorf("got %q, %v", got, err)
	}
	for name, path := range map[string]string{"missing": file + "x", "a directory": filepath.Dir(file)} {
		if _, err := readScript(path); err == nil || !strings.Contains(err.Error(), "the stage's script") {
			t.Errorf("%s: %v", name, err)
		}
	}
	huge := filepath.Join(t.TempDir(), "huge")
	f, err := os.Create(huge)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(maxScript + 1); err != nil {
		t.Fatal(err)
	}
	if _, err := readScript(huge); err == nil {
		t.Error("a script larger than any was read")
	}
}

// A panic must not become an exit code unknown to the Runner.
func TestAPanicIsAFaultOfTheSystem(t *testing.T) {
	var stderr bytes.Buffer
	code := Main([]string{"config"}, []string{"SYSTEM_FAILURE_EXIT_CODE=99"}, panics{}, &stderr)
	if code != 99 || !strings.Contains(stderr.String(), "error: a fault of gitlab-dind-executor itself: boom\nhint: ") {
		t.Errorf("exit code %d, output %q", code, stderr.String())
	}
}

type panics struct{}

func (panics) Write([]byte) (int, error) { panic("boom") }
