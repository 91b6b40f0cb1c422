package main

import (
	"context"
	_ "embed" // buildScript
	"errors"
	"fmt"
	"strings"
	"time"

	"gitlab-dind-executor/executor/local"
)

// first is the time to the first line, without sources and with them.
func (b *bench) first() table {
	one := func(key, name string, measure func(context.Context, note) error) trial {
		return trial{figures: []figure{{key, name, "ms"}}, measure: measure}
	}
	return table{
		// Twice the rounds: for how long docker:dind looks for the primes of its keys
		// is chance.
		key: "first", title: "Time to the first line of a script", rounds: 2 * b.rounds, warm: true,
		trials: []trial{
			one("A", "docker:dind with TLS", b.byHand("A", withTLS, false)),
			one("B", "docker:dind, --tls=false", b.byHand("B", withoutTLS, false)),
			one("C", "this executor, cold", b.prepareAndRun("C", b.lab.Settings)),
			one("W", "this executor, warm", b.prepareAndRun("W", b.warm)),
			one("D", "docker run of the job's image, without a daemon", b.bare),
			one("A+", "docker:dind with TLS, sources fetched", b.byHand("A+", withTLS, true)),
			one("B+", "docker:dind, --tls=false, sources fetched", b.byHand("B+", withoutTLS, true)),
			one("C+", "this executor, cold, a whole job's beginning", b.jobsBeginning("C+", b.lab.Settings)),
			one("W+", "this executor, warm, a whole job's beginning", b.jobsBeginning("W+", b.warm)),
		},
	}
}

// buildScript has the shape of GitLab Runner's. docker version must succeed at its
// first try.
//
//go:embed build.sh
var buildScript string

// prepareAndRun measures the executor as docker:dind is measured: without what
// fetches sources in between. The hooks are processes, as under GitLab Runner;
// the time runs from the start of prepare.
func (b *bench) prepareAndRun(key, settings string) func(context.Context, note) error {
	return func(ctx context.Context, n note) (err error) {
		if err := b.ready(ctx, settings); err != nil {
			return err
		}
		j, err := b.newHookedJob(ctx, settings)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, j.end(ctx)) }()
		start := time.Now()
		if _, err := j.call(ctx, nil, "prepare"); err != nil {
			return err
		}
		var clock lineClock
		if err := j.run(ctx, &clock, "build_script", buildScript); err != nil {
			return err
		}
		took, err := clock.since(start)
		if err == nil {
			n(key, ms(took))
		}
		return errors.Join(err, b.fromPool(settings, j.said.String()))
	}
}

// jobsBeginning measures a whole job with the stages of the Runner's helper: from
// the start of the config hook, with git, to the same line.
func (b *bench) jobsBeginning(key, settings string) func(context.Context, note) error {
	return func(ctx context.Context, n note) error {
		if err := b.ready(ctx, settings); err != nil {
			return err
		}
		took, log, err := b.beginning(ctx, b.lab.RunnerWith(settings), b.job("docker version >/dev/null", "echo '"+firstLine+"'"))
		if err != nil {
			return err
		}
		n(key, ms(took))
		return b.fromPool(settings, log)
	}
}

// beginning runs a job and returns the time to its line.
func (b *bench) beginning(ctx context.Context, r *local.Runner, p local.Payload) (time.Duration, string, error) {
	var clock lineClock
	r.Log = &clock
	result := r.Run(ctx, p)
	if result.State != local.Success {
		return 0, "", fmt.Errorf("the job ended as %s: %w", result.State, errors.Join(result.Err, ctx.Err()))
	}
	took, err := clock.since(result.Phases[0].Start)
	return took, clock.all.String(), err
}

// ready has a sandbox wait where the settings have a pool.
func (b *bench) ready(ctx context.Context, settings string) error {
	if settings != b.warm {
		return nil
	}
	return b.fill(ctx, settings)
}

// fromPool is an error where a job should have had a sandbox made ahead.
func (b *bench) fromPool(settings, log string) error {
	if settings == b.lab.Settings || strings.Contains(log, "(warm)") {
		return nil
	}
	return fmt.Errorf("the job did not take the sandbox that waited: %s", log)
}
