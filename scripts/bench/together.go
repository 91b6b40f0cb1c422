package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gitlab-dind-executor/executor/local"
)

// atOnce are the numbers of jobs started side by side. failedJobs is the key for the failed
// jobs among them.
var atOnce = []int{4, 8}

const failedJobs = "PF"

// together measures jobs that start at the same moment, by the docker executor and cold by this
// executor.
func (b *bench) together() table {
	t := table{
		key: "together", title: "Jobs that start at once, cold",
		rounds: max(1, b.rounds*3/10), warm: true,
	}
	most := atOnce[len(atOnce)-1]
	for _, count := range atOnce {
		key := fmt.Sprintf("P%d", count)
		t.trials = append(t.trials, b.crowd(key, fmt.Sprintf("%d at once", count), b.ours(b.lab.Settings), count))
	}
	ours := &t.trials[len(t.trials)-1]
	ours.figures = append(ours.figures, figure{failedJobs, fmt.Sprintf("%d at once, jobs that failed", most), ""})
	t.trials = append(t.trials, b.crowd(fmt.Sprintf("X%d", most), fmt.Sprintf("%d at once, docker executor with docker:dind", most), b.rival, most))
	return t
}

// crowd measures count jobs at once.
func (b *bench) crowd(key, name string, w way, count int) trial {
	return trial{
		figures: []figure{
			{key, name + ", to the first line", "ms"},
			{key + "w", name + ", the whole job", "ms"},
			{key + "c", name + ", CPU of the machine", "s"},
			{key + "m", name + ", memory of the machine at most", "MiB"},
			{key + "b", name + ", written to files", "MiB"},
		},
		measure: func(ctx context.Context, n note) error { return b.jobsAtOnce(ctx, key, w, count, n) },
		bound:   2 * trialBound,
	}
}

// jobsAtOnce is an error where none of the jobs succeeds.
func (b *bench) jobsAtOnce(ctx context.Context, key string, w way, count int, n note) error {
	payloads := make([]local.Payload, count)
	for i := range payloads {
		payloads[i] = b.trivial()
	}
	if err := w.ready(ctx, payloads[0]); err != nil {
		return err
	}
	outcomes, errs := make([]outcome, count), make([]error, count)
	used, err := measured(func() error {
		var jobs sync.WaitGroup
		for i, p := range payloads {
			jobs.Go(func() { outcomes[i], errs[i] = w.run(ctx, p, i) })
		}
		jobs.Wait()
		return b.quiet(ctx)
	})
	failed := 0
	for i, o := range outcomes {
		first, lineErr := o.line()
		if errs[i] = cmp.Or(errs[i], lineErr); errs[i] != nil {
			failed++
			continue
		}
		n(key, ms(first))
		n(key+"w", ms(o.whole()))
	}
	n(key+"c", used.cpu)
	n(key+"m", used.memory)
	n(key+"b", used.written)
	n(failedJobs, float64(failed))
	if err := errors.Join(err, ctx.Err()); err != nil {
		return err
	}
	if failed == count {
		return errors.Join(errs...)
	}
	return nil
}

// waitingSizes are numbers of waiting sandboxes. The first comes again at the end. So a machine
// that became slower in between does not count as growth.
var waitingSizes = []int{1, 8, 32, 1}

// waiting measures a claim with many sandboxes to choose from.
func (b *bench) waiting() table {
	tr := trial{measure: b.claims, bound: 10 * time.Minute}
	for _, size := range waitingSizes[:len(waitingSizes)-1] {
		tr.figures = append(
			tr.figures,
			figure{fmt.Sprintf("Q%d", size), fmt.Sprintf("%d waiting, claim (the prepare hook)", size), "ms"},
			figure{fmt.Sprintf("Q%dm", size), fmt.Sprintf("%d waiting, memory of each", size), "MiB"},
		)
	}
	return table{
		key: "waiting", title: "Sandboxes that wait: time of a claim, and memory of each",
		rounds: 1, trials: []trial{tr},
	}
}

func (b *bench) claims(ctx context.Context, n note) error {
	before := 0
	for _, size := range waitingSizes {
		if size < before {
			if err := b.drain(ctx); err != nil {
				return err
			}
		}
		before = size
		settings, err := b.lab.WriteSettings(fmt.Sprintf("pool-%d.toml", size), fmt.Sprintf("[pool]\nsize = %d\n", size))
		if err != nil {
			return err
		}
		if err := b.fill(ctx, settings); err != nil {
			return err
		}
		list, err := b.waitingContainers(ctx)
		if err != nil {
			return err
		}
		memory, err := b.memory(ctx, list)
		if err != nil {
			return err
		}
		n(fmt.Sprintf("Q%dm", size), memory/float64(size))
		for range max(2, b.rounds*3/10) {
			if err := b.claim(ctx, settings, fmt.Sprintf("Q%d", size), n); err != nil {
				return err
			}
		}
	}
	return nil
}

// claim prepares a job with a waiting sandbox, ends the job, and lets the pool be filled again.
func (b *bench) claim(ctx context.Context, settings, key string, n note) (err error) {
	j, err := b.newHookedJob(ctx, settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.end(ctx), b.quiet(ctx)) }()
	took, err := j.call(ctx, nil, "prepare")
	if err != nil {
		return err
	}
	n(key, ms(took))
	return b.fromPool(settings, j.said.String())
}
