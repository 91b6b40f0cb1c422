package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"gitlab-dind-executor/executor/local"
)

const (
	oursCold = "C"
	oursJob  = "C+"
)

// script has the shape of GitLab Runner's. docker version must succeed at its
// first try.
const script = `#!/usr/bin/env bash

trap exit 1 TERM

if set -o | grep pipefail > /dev/null; then set -o pipefail; fi; set -o errexit
set +o noclobber
: | eval $'docker version >/dev/null\necho "` + firstLine + `"\n'
exit 0
`

// hooks measures the executor as docker:dind is measured: without what fetches
// sources in between. The hooks are processes, as under GitLab Runner; the time
// runs from the start of prepare.
func (b *bench) hooks(ctx context.Context) (took time.Duration, err error) {
	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	j, err := newHookedJob(ctx, b.lab, dir)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, j.call(context.WithoutCancel(ctx), nil, "cleanup")) }()

	start := time.Now()
	if err := j.call(ctx, nil, "prepare"); err != nil {
		return 0, err
	}
	var clock lineClock
	if err := j.call(ctx, &clock, "run", j.script, "build_script"); err != nil {
		return 0, err
	}
	return clock.since(start)
}

// job measures a whole job with the stages of the Runner's helper: from the
// start of prepare, with git, to the same line.
func (b *bench) job(ctx context.Context) (time.Duration, error) {
	var clock lineClock
	r := b.lab.Runner()
	r.Log = &clock
	result := r.Run(ctx, b.lab.Job("docker version >/dev/null", "echo '"+firstLine+"'"))
	if result.State != local.Success {
		return 0, fmt.Errorf("the job ended as %s: %w", result.State, result.Err)
	}
	for _, p := range result.Phases {
		if p.Kind == local.Prepare {
			return clock.since(p.Start)
		}
	}
	return 0, errors.New("the job had no prepare")
}
