package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/realrunner"
	"gitlab-dind-executor/test/rig"
)

const (
	// jobBound is for one job, from its offer to its end.
	jobBound = 3 * time.Minute
	// settleTime is the bound for the engine's lists to become as before.
	settleTime = 20 * time.Second
)

// trial is a run of all jobs by a Runner.
type trial struct {
	executor, runner string
	// helper is the gitlab-runner for the jobs' helper, or "" for the program of the helper's
	// image.
	helper string
	out    io.Writer

	lab    *lab.Lab
	api    *rig.JobAPI
	failed int
}

// run makes the world, starts the Runner and offers the jobs in turn.
func (t *trial) run(ctx context.Context) (err error) {
	if t.lab, err = lab.New(ctx, lab.Options{Binary: t.executor}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.lab.Close()) }()
	before, err := rig.Snapshot(ctx, t.lab.Engine)
	if err != nil {
		return err
	}
	if t.api, err = rig.StartJobAPI(ctx, t.lab.Engine); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.api.Close()) }()
	dir, err := os.MkdirTemp("", "dind-runner-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	settings, err := t.writeSettings()
	if err != nil {
		return err
	}
	config := filepath.Join(dir, "config.toml")
	if err := t.writeConfig(config, settings); err != nil {
		return err
	}
	if err := t.verify(ctx, dir, config); err != nil {
		return err
	}
	p, err := realrunner.Start(t.runner, dir, config)
	if err != nil {
		return err
	}
	jobsErr := t.jobs(ctx, p)
	stopErr := p.Stop()
	cleanErr := t.clean(context.WithoutCancel(ctx), settings, before)
	if err := errors.Join(jobsErr, stopErr, cleanErr); err != nil {
		return err
	}
	if t.failed > 0 {
		return fault.System(fmt.Errorf("%d jobs did not go as they should", t.failed), "their logs and the Runner's are above")
	}
	return nil
}

// writeSettings writes settings that keep caches, because two of the jobs are about caches.
func (t *trial) writeSettings() (path string, err error) {
	if path, err = t.lab.WriteSettings("runner.toml", "\n[cache]\nvolume = true\nlayers = \"off\"\n"); err != nil || t.helper == "" {
		return path, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return path, err
	}
	with := strings.Replace(string(text), "[helper]\n", "[helper]\nrunner_binary = "+realrunner.Quoted(t.helper)+"\n", 1)
	return path, os.WriteFile(path, []byte(with), 0o600)
}

// jobs offers the jobs in turn.
func (t *trial) jobs(ctx context.Context, p *realrunner.Process) error {
	for _, c := range cases(t) {
		if err := t.job(ctx, p, c); err != nil {
			return err
		}
	}
	return nil
}

// job offers a job and judges its end.
func (t *trial) job(ctx context.Context, p *realrunner.Process, c jobCase) error {
	payload := c.payload()
	started := time.Now()
	j, err := t.api.Offer(payload.ID, payload.Token, payload)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, jobBound)
	defer cancel()
	cancelled := false
	for ended := false; !ended; {
		text, more := j.Trace()
		if c.cancelAt != "" && !cancelled && strings.Contains(plain(text), c.cancelAt) {
			cancelled = true
			j.Cancel()
		}
		select {
		case <-more:
		case <-j.Done():
			ended = true
		case <-p.Ended():
			return fault.System(errors.New("the Runner ended by itself"), "its log:\n"+p.Log())
		case <-ctx.Done():
			text, _ := j.Trace()
			return fault.System(fmt.Errorf("job %q does not end: %w", c.name, ctx.Err()), "its log:\n"+text+"\nthe Runner's log:\n"+p.Log())
		}
	}
	text, _ := j.Trace()
	wrong := c.judge(j.End(), plain(text))
	verdict := "as it should"
	if len(wrong) > 0 {
		t.failed++
		verdict = "WRONG: " + strings.Join(wrong, "; ")
	}
	fmt.Fprintf(t.out, "  %-32s %6.1f s   %s\n", c.name, time.Since(started).Seconds(), verdict)
	if len(wrong) > 0 {
		fmt.Fprintf(t.out, "\n%s\nthe Runner's log:\n%s\n", text, p.Log())
	}
	return nil
}

// clean removes the jobs' caches, and compares the engine's lists. Package lab keeps the caches
// of others in another installation.
func (t *trial) clean(ctx context.Context, settings string, before rig.Objects) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, t.executor, "--settings", settings, "gc", "--caches", "--older-than", "0s").CombinedOutput()
	if err != nil {
		return fault.System(fmt.Errorf("removing the caches: %w", err), "what it said:\n"+string(out))
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		after, err := rig.Snapshot(ctx, t.lab.Engine)
		if err != nil {
			return err
		}
		diff := rig.Diff(before, after)
		if diff == "" {
			fmt.Fprintln(t.out, "\nEngine      holds exactly what it held before")
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fault.System(errors.New("the engine does not hold what it held before"), "what differs:\n"+diff)
		}
	}
}
