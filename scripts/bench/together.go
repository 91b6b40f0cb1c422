package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gitlab-dind-executor/executor/local"
)

// atOnce are how many jobs are started side by side, and failedJobs the key for
// those of them that have failed.
var atOnce = []int{1, 2, 4, 8}

const failedJobs = "PF"

// together is jobs that start at the same moment.
func (b *bench) together() table {
	t := table{
		key: "together", title: "Jobs that start at once, cold: time to the first line, and memory of all",
		rounds: max(1, b.rounds*3/10),
	}
	for _, count := range atOnce {
		t.trials = append(t.trials, trial{
			figures: []figure{
				{fmt.Sprintf("P%d", count), fmt.Sprintf("%d at once, first line", count), "ms"},
				{fmt.Sprintf("P%dm", count), fmt.Sprintf("%d at once, memory of all", count), "MiB"},
			},
			measure: func(ctx context.Context, n note) error { return b.jobsAtOnce(ctx, count, n) },
			bound:   2 * trialBound,
		})
	}
	last := &t.trials[len(t.trials)-1]
	last.figures = append(last.figures, figure{failedJobs, fmt.Sprintf("%d at once, jobs that failed", atOnce[len(atOnce)-1]), ""})
	return t
}

// jobsAtOnce holds each job behind its script until all have got there, and looks
// at the memory then.
func (b *bench) jobsAtOnce(ctx context.Context, count int, n note) error {
	arrived, release := make(chan struct{}, count), make(chan struct{})
	var mu sync.Mutex
	failed := 0
	var errs []error
	var jobs sync.WaitGroup
	for range count {
		p := b.job("docker version >/dev/null", "echo '"+firstLine+"'")
		p.Steps = append(p.Steps, local.Step{Name: laterStage, Script: []string{"true"}, Timeout: 60, When: "always"})
		r := b.lab.RunnerWith(b.lab.Settings)
		var once sync.Once
		arrive := func() { once.Do(func() { arrived <- struct{}{} }) }
		r.OnHook = func(h local.Hook) {
			if h.Stage != laterStage {
				return
			}
			arrive()
			select {
			case <-release:
			case <-ctx.Done():
			}
		}
		jobs.Go(func() {
			defer arrive()
			took, _, err := b.beginning(ctx, r, p)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed++
				errs = append(errs, err)
				return
			}
			n(fmt.Sprintf("P%d", count), ms(took))
		})
	}
	memory, err := b.memoryWhenThere(ctx, count, arrived)
	close(release)
	jobs.Wait()
	if err := errors.Join(err, ctx.Err()); err != nil {
		return err
	}
	n(fmt.Sprintf("P%dm", count), memory)
	if count == atOnce[len(atOnce)-1] {
		n(failedJobs, float64(failed))
	}
	if failed == count {
		return errors.Join(errs...)
	}
	return nil
}

// memoryWhenThere waits until all jobs have arrived, or ended.
func (b *bench) memoryWhenThere(ctx context.Context, count int, arrived <-chan struct{}) (float64, error) {
	for range count {
		select {
		case <-arrived:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	list, err := b.jobsContainers(ctx)
	if err != nil {
		return 0, err
	}
	return b.memory(ctx, list)
}

// waitingSizes are how many sandboxes wait. The first comes again at the end, so
// that a machine that became slower in between is no growth.
var waitingSizes = []int{1, 2, 4, 8, 16, 32, 1}

// waiting is what a claim takes with many sandboxes to choose from.
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

// claim prepares a job with a sandbox that waits, ends it, and lets the pool be
// filled again.
func (b *bench) claim(ctx context.Context, settings, key string, n note) (err error) {
	j, err := b.newHookedJob(ctx, settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.end(ctx), b.rest(ctx, settings)) }()
	took, err := j.call(ctx, nil, "prepare")
	if err != nil {
		return err
	}
	n(key, ms(took))
	return b.fromPool(settings, j.said.String())
}
