package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"gitlab.com/gitlab-org/gitlab-runner/executors/custom/api"
)

// hookedJob is a job whose hooks are called in turn, with GitLab Runner's environment.
type hookedJob struct {
	b   *bench
	id  int64
	dir string
	env []string
	// settings is the file that the hooks read.
	settings string
	// configured is the duration of the config hook.
	configured time.Duration
	// said is the hooks' stderr.
	said bytes.Buffer
}

// newHookedJob writes a job's files and calls config. The job's end removes the files.
func (b *bench) newHookedJob(ctx context.Context, settings string) (j *hookedJob, err error) {
	dir, err := os.MkdirTemp("", "dind-bench-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	payload := b.job("docker version")
	text, err := json.Marshal(payload)
	if err != nil {
		return nil, err
	}
	j = &hookedJob{b: b, id: payload.ID, dir: dir, settings: settings}
	response := filepath.Join(dir, "response.json")
	if err := os.WriteFile(response, text, 0o600); err != nil {
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
	if j.configured, err = j.call(ctx, &stdout, "config"); err != nil {
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

// call calls a hook and returns its duration. When ctx ends, the hook gets SIGTERM, as from the
// Runner.
func (j *hookedJob) call(ctx context.Context, stdout io.Writer, hook string, args ...string) (time.Duration, error) {
	cmd := command(ctx, j.b.lab.Binary, append([]string{"--settings", j.settings, hook}, args...)...)
	cmd.Env, cmd.Stdout, cmd.Stderr = j.env, stdout, &j.said
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	took, err := took(cmd)
	if err != nil {
		return 0, fmt.Errorf("%s: %w: %s", hook, err, bytes.TrimSpace(j.said.Bytes()))
	}
	return took, nil
}

// run runs a script for a stage.
func (j *hookedJob) run(ctx context.Context, stdout io.Writer, stage, script string) error {
	_, err := j.timed(ctx, stdout, stage, script)
	return err
}

func (j *hookedJob) timed(ctx context.Context, stdout io.Writer, stage, script string) (time.Duration, error) {
	file := filepath.Join(j.dir, stage)
	if err := os.WriteFile(file, []byte(script), 0o700); err != nil {
		return 0, err
	}
	return j.call(ctx, stdout, "run", file, stage)
}

// end calls cleanup, whatever has ended ctx, and removes the job's files.
func (j *hookedJob) end(ctx context.Context) error {
	_, err := j.call(context.WithoutCancel(ctx), nil, "cleanup")
	return errors.Join(err, os.RemoveAll(j.dir))
}

// sandbox is the id of the job's sandbox, from the labels of the job container.
func (j *hookedJob) sandbox(ctx context.Context) (string, error) {
	list, err := j.b.containers(ctx, labelRole+"=job")
	for _, c := range list {
		if c.Labels[labelJob] == fmt.Sprintf("%s/%d", j.b.instance, j.id) {
			return c.Labels[labelSandbox], nil
		}
	}
	return "", errors.Join(err, errors.New("the job has no container"))
}
