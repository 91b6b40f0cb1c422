package main

import (
	"context"
	_ "embed" // buildScript
	"errors"
	"fmt"
	"strings"
	"time"
)

// first measures the time to the first line without the sources.
func (b *bench) first() table {
	one := func(key, name string, measure func(context.Context, note) error) trial {
		return trial{figures: []figure{{key, name, "ms"}}, measure: measure}
	}
	return table{
		key: "first", title: "Time to the first line of a script, without sources", rounds: max(1, b.rounds*7/10), warm: true,
		trials: []trial{
			one("A", "docker:dind with TLS", b.byHand("A", withTLS)),
			one("B", "docker:dind, --tls=false", b.byHand("B", withoutTLS)),
			one("C", "this executor, cold", b.prepareAndRun("C", b.lab.Settings)),
			one("W", "this executor, warm", b.prepareAndRun("W", b.warm)),
		},
	}
}

// trivialJobs measures whole jobs with next to nothing to do.
func (b *bench) trivialJobs() table {
	return table{
		// The rounds are more, because docker:dind's search for the primes of its keys takes a
		// random time.
		key: "job", title: "A job that runs docker version", rounds: (b.rounds*3 + 1) / 2, warm: true,
		trials: []trial{
			b.jobTrial("A+", "docker executor with docker:dind", b.rival),
			b.jobTrial("C+", "this executor, cold", b.ours(b.lab.Settings)),
			b.jobTrial("N+", "this executor, cold, in a bare sandbox", hooked{b: b, settings: b.offered, pool: true}),
			b.jobTrial("W+", "this executor, warm", b.oursWarm(b.warm)),
			{figures: []figure{{"D", "docker run of the job's image, without a daemon", "ms"}}, measure: b.bare},
		},
	}
}

// buildScript has the form of GitLab Runner's scripts. docker version must succeed at its first
// try.
//
//go:embed build.sh
var buildScript string

// prepareAndRun measures the executor as docker:dind is measured, without the sources in
// between. The hooks are processes, as under GitLab Runner. The time runs from the start of
// prepare.
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

// ready makes a sandbox wait where the settings have a pool.
func (b *bench) ready(ctx context.Context, settings string) error {
	if settings != b.warm {
		return nil
	}
	return b.fill(ctx, settings)
}

// fromPool is an error where a job should have had a sandbox of the pool.
func (b *bench) fromPool(settings, log string) error {
	if settings == b.lab.Settings || strings.Contains(log, "(from the pool)") {
		return nil
	}
	return fmt.Errorf("the job did not take the sandbox that waited: %s", log)
}
