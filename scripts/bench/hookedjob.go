package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"gitlab.com/gitlab-org/gitlab-runner/executors/custom/api"

	"gitlab-dind-executor/test/lab"
)

// hookedJob is a job whose hooks are called one by one, with what GitLab Runner
// gives them.
type hookedJob struct {
	lab *lab.Lab
	env []string
	// script is the path of the build stage's.
	script string
}

// newHookedJob writes a job's files to dir and calls config.
func newHookedJob(ctx context.Context, l *lab.Lab, dir string) (*hookedJob, error) {
	payload := l.Job("docker version")
	text, err := json.Marshal(payload)
	if err != nil {
		return nil, err
	}
	j := &hookedJob{lab: l, script: filepath.Join(dir, "script")}
	response := filepath.Join(dir, "response.json")
	if err := os.WriteFile(response, text, 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(j.script, []byte(script), 0o700); err != nil {
		return nil, err
	}
	j.env = append(
		os.Environ(), "TMPDIR="+dir,
		api.BuildFailureExitCodeVariable+"=1", api.SystemFailureExitCodeVariable+"=2",
		api.BuildCodeFileVariable+"="+filepath.Join(dir, "build_exit_code"),
		api.JobResponseFileVariable+"="+response,
		"CUSTOM_ENV_CI_PROJECT_DIR=/builds/group/app",
	)
	for _, v := range payload.Variables {
		j.env = append(j.env, "CUSTOM_ENV_"+v.Key+"="+v.Value)
	}

	var stdout bytes.Buffer
	if err := j.call(ctx, &stdout, "config"); err != nil {
		return nil, err
	}
	var answer api.ConfigExecOutput
	if err := json.Unmarshal(stdout.Bytes(), &answer); err != nil {
		return nil, fmt.Errorf("what config answers: %w", err)
	}
	if answer.JobEnv != nil {
		for key, value := range *answer.JobEnv {
			j.env = append(j.env, key+"="+value)
		}
	}
	return j, nil
}

// call calls a hook. When ctx ends, it is told to end, as the Runner does.
func (j *hookedJob) call(ctx context.Context, stdout io.Writer, hook string, args ...string) error {
	cmd := command(ctx, j.lab.Binary, append([]string{"--settings", j.lab.Settings, hook}, args...)...)
	cmd.Env, cmd.Stdout = j.env, stdout
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := runCommand(cmd); err != nil {
		return fmt.Errorf("%s: %w", hook, err)
	}
	return nil
}
