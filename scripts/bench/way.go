package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gitlab-dind-executor/executor/local"
)

// way is a way to run jobs, by this executor or by GitLab Runner's docker executor.
type way interface {
	// ready does the work before a job is taken up.
	ready(ctx context.Context, p local.Payload) error
	// run runs a job. place is the job's number among a Runner's jobs side by side, from 0.
	run(ctx context.Context, p local.Payload, place int) (outcome, error)
}

// outcome is a job that has succeeded, with the times of its start, its script's line and its
// reported end. The line's time is zero where the script prints none.
type outcome struct{ taken, first, ended time.Time }

// whole is all of the job's time, and line the time to its line.
func (o outcome) whole() time.Duration { return o.ended.Sub(o.taken) }

func (o outcome) line() (time.Duration, error) {
	if o.first.IsZero() {
		return 0, fmt.Errorf("%q never came, or without its time", firstLine)
	}
	return o.first.Sub(o.taken), nil
}

// hooked runs jobs with this executor. executor/local drives the hooks.
type hooked struct {
	b        *bench
	settings string
	// pool says that the settings have a pool, which is full before the first job. With warm
	// each job must get a sandbox of the pool.
	pool, warm bool
}

func (w hooked) ready(ctx context.Context, _ local.Payload) error {
	if !w.pool {
		return nil
	}
	return w.b.fill(ctx, w.settings)
}

func (w hooked) run(ctx context.Context, p local.Payload, _ int) (outcome, error) {
	var clock lineClock
	r := w.b.lab.RunnerWith(w.settings)
	r.Log = &clock
	result := r.Run(ctx, p)
	if result.State != local.Success {
		return outcome{}, fmt.Errorf("the job ended as %s: %w\n%s", result.State, errors.Join(result.Err, ctx.Err()), lastOf(clock.all.String()))
	}
	if log := clock.all.String(); w.warm && !strings.Contains(log, "(from the pool)") {
		return outcome{}, fmt.Errorf("the job did not take the sandbox that waited: %s", log)
	}
	return outcome{taken: result.Started, first: clock.at, ended: result.Finished}, nil
}

// trivial is a job that prints its line as soon as docker has answered.
func (b *bench) trivial() local.Payload {
	return b.job("docker version >/dev/null", "echo '"+firstLine+"'")
}

// jobTrial measures trivial jobs: to the first line, as a whole, and in the machine's CPU
// seconds, with the work behind the job.
func (b *bench) jobTrial(key, name string, w way) trial {
	return trial{
		figures: []figure{
			{key, name + ", to the first line", "ms"},
			{key + "w", name + ", the whole job", "ms"},
			{key + "c", name + ", CPU of the machine", "s"},
		},
		measure: func(ctx context.Context, n note) error {
			return b.inTurn(ctx, key, w, []local.Payload{b.trivial()}, n)
		},
	}
}

// inTurn runs jobs back to back, as from a queue. CPU seconds are the average of a job.
func (b *bench) inTurn(ctx context.Context, key string, w way, jobs []local.Payload, n note) error {
	if err := w.ready(ctx, jobs[0]); err != nil {
		return err
	}
	used, err := measured(func() error {
		for _, p := range jobs {
			o, err := w.run(ctx, p, 0)
			if err != nil {
				return err
			}
			first, err := o.line()
			if err != nil {
				return err
			}
			n(key, ms(first))
			n(key+"w", ms(o.whole()))
		}
		return b.quiet(ctx)
	})
	if err == nil {
		n(key+"c", used.cpu/float64(len(jobs)))
	}
	return err
}

// lastOf is the end of a log, for an error.
func lastOf(log string) string {
	const most = 2000
	return log[max(0, len(log)-most):]
}
