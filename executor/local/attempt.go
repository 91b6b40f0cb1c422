package local

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"gitlab.com/gitlab-org/gitlab-runner/executors/custom/api"
)

// attempt is an attempt to prepare and, after success, the rest of the job. Each attempt
// has a folder of its own, the hooks' working directory and TMPDIR.
type attempt struct {
	build  *build
	number int
	dir    string
	jobEnv map[string]string
	driver *api.DriverInfo
}

func (a *attempt) responseFile() string { return filepath.Join(a.dir, "response.json") }
func (a *attempt) exitCodeFile() string { return filepath.Join(a.dir, "build_exit_code") }

// prepare makes the folder and calls config and prepare.
func (a *attempt) prepare(ctx context.Context) error {
	dir, err := os.MkdirTemp(a.build.runner.TempDir, "custom-executor")
	if err != nil {
		return fmt.Errorf("making the attempt's folder: %w", err)
	}
	a.dir = dir
	if err := a.writeResponse(); err != nil {
		return err
	}
	if err := a.config(ctx); err != nil {
		return err
	}
	a.build.log.print(a.startupLine())
	if a.build.buildsDir == "" {
		return &jobError{reason: reasonConfiguration, err: errors.New("the builds_dir is not configured")}
	}
	if a.build.cacheDir == "" {
		return &jobError{reason: reasonConfiguration, err: errors.New("the cache_dir is not configured")}
	}

	ctx, cancel := context.WithTimeout(ctx, a.build.runner.PrepareTimeout)
	defer cancel()
	out, errs := a.build.log.stream(), a.build.log.stream()
	defer flush(out, errs)
	return a.call(ctx, hookCall{kind: Prepare, args: a.build.runner.PrepareArgs, stdout: out, stderr: errs})
}

// writeResponse writes the payload, with its tokens, for the Runner's user alone.
func (a *attempt) writeResponse() error {
	text, err := a.build.shape.encode(a.build.payload)
	if err != nil {
		return fmt.Errorf("encoding job response file: %w", err)
	}
	if err := os.WriteFile(a.responseFile(), append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing job response file: %w", err)
	}
	return nil
}

// config calls the config hook and applies its answer.
func (a *attempt) config(ctx context.Context) error {
	b := a.build
	ctx, cancel := context.WithTimeout(ctx, b.runner.ConfigTimeout)
	defer cancel()
	var stdout bytes.Buffer
	errs := b.log.stream()
	defer flush(errs)
	b.refreshVariables()
	if err := a.call(ctx, hookCall{kind: Config, args: b.runner.ConfigArgs, stdout: &stdout, stderr: errs}); err != nil {
		return err
	}

	var answer api.ConfigExecOutput
	if stdout.Len() > 0 {
		if err := json.Unmarshal(stdout.Bytes(), &answer); err != nil {
			return fmt.Errorf("error while parsing JSON output: %w", err)
		}
	}
	a.driver = answer.Driver
	if answer.JobEnv != nil {
		a.jobEnv = *answer.JobEnv
	}
	b.hostname = valueOr(answer.Hostname, b.hostname)
	b.shell = cmp.Or(valueOr(answer.Shell, b.shell), "bash")
	b.shared = valueOr(answer.BuildsDirIsShared, b.shared)
	b.setDirs(valueOr(answer.BuildsDir, b.runner.BuildsDir), valueOr(answer.CacheDir, b.runner.CacheDir))
	return nil
}

func valueOr[T any](p *T, def T) T {
	if p != nil {
		return *p
	}
	return def
}

// startupLine is the Runner's line about its executor, with the driver's own name.
func (a *attempt) startupLine() string {
	const line = "Using Custom executor"
	switch {
	case a.driver == nil || a.driver.Name == nil:
		return line + "..."
	case a.driver.Version == nil:
		return line + " with driver " + *a.driver.Name + "..."
	default:
		return line + " with driver " + *a.driver.Name + " " + *a.driver.Version + "..."
	}
}

// runStage calls the run hook with a script for a stage. A driver sees the Runner's
// step_script as build_script.
func (a *attempt) runStage(ctx context.Context, stage, script string) error {
	if stage == stageScript {
		stage = "build_script"
	}
	dir, err := os.MkdirTemp(a.dir, "script")
	if err != nil {
		return fmt.Errorf("making the script's folder: %w", err)
	}
	name := "script"
	if !a.build.shape.bareScriptName() {
		name += "."
	}
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(script), 0o700); err != nil {
		return fmt.Errorf("writing the script: %w", err)
	}
	args := append(append([]string{}, a.build.runner.RunArgs...), file, stage)
	out, errs := a.build.log.stream(), a.build.log.stream()
	defer flush(out, errs)
	return a.call(ctx, hookCall{kind: Run, stage: stage, args: args, stdout: out, stderr: errs})
}

// cleanup calls the cleanup hook with a time of its own, whatever ended the job, and
// removes the attempt's folder.
func (a *attempt) cleanup() {
	r := a.build.runner
	if a.dir == "" {
		return
	}
	defer os.RemoveAll(a.dir)
	ctx, cancel := context.WithTimeout(context.Background(), r.CleanupTimeout)
	defer cancel()
	shared := &syncWriter{w: r.RunnerLog}
	out := &lineWriter{next: shared, prefix: "cleanup out: "}
	errs := &lineWriter{next: shared, prefix: "cleanup err: "}
	err := a.call(ctx, hookCall{kind: Cleanup, args: r.CleanupArgs, stdout: out, stderr: errs})
	out.flush()
	errs.flush()
	if err != nil {
		a.build.log.warn("Cleanup script failed: " + err.Error())
	}
}

// hookCall is one call of a hook.
type hookCall struct {
	kind           Kind
	stage          string
	args           []string
	stdout, stderr io.Writer
}

// call calls a hook and gives its end a meaning: nil, a *jobError, or an error of the
// system.
func (a *attempt) call(ctx context.Context, c hookCall) error {
	r, j := a.build.runner, a.build.job
	start := r.Now()
	index := j.begin(Phase{
		Name: cmp.Or(c.stage, string(c.kind)), Kind: c.kind, Attempt: a.number, Start: start,
	})
	p := process{
		path: r.Executable, args: c.args, dir: a.dir, env: a.environment(),
		stdout: c.stdout, stderr: c.stderr,
		graceful: r.GracefulKillTimeout, force: r.ForceKillTimeout,
		started: func(pid int) {
			r.OnHook(Hook{Kind: c.kind, Stage: c.stage, Attempt: a.number, PID: pid})
		},
	}
	exitCode, err := p.run(ctx)
	j.end(index, r.Now().Sub(start).Round(time.Microsecond), exitCode)
	return exitError(err, a.exitCodeFile())
}

func flush(streams ...*masker) {
	for _, s := range streams {
		_ = s.flush() // the log is gone; nobody to tell
	}
}
