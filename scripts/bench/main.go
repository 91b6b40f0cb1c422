// Command bench measures the figures of docs/performance.md. These are a job's wait for its own
// Docker daemon, its wait at its end, and the time that cached layers save. It measures three
// ways beside each other: GitLab Runner's docker executor, docker:dind as documented, and this
// executor. They run on the same engine in turns, so that any other load meets all of them.
//
// The command fails when a floor of floors.go is missed.
//
// The command may import config, fault, executor/local, test/lab, test/realrunner and test/rig.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/realrunner"
)

// bound ends a run that hangs. A whole run takes less than 30 minutes on two cores.
const bound = 45 * time.Minute

// enough is the least number of rounds for published figures.
const enough = 10

// options are the flags.
type options struct {
	executor, runner, only, file, docs, with string
	rounds                                   int
}

func main() {
	var o options
	flag.StringVar(&o.executor, "executor", "bin/gitlab-dind-executor", "the `binary` to measure")
	flag.StringVar(&o.runner, "runner", "", "let this gitlab-runner `binary` drive both sides, the other one by its docker executor")
	flag.IntVar(&o.rounds, "rounds", 10, "how many `rounds` to count, after one that is not")
	flag.StringVar(&o.only, "only", "", "measure these `KEYS` only, of rows or tables, with commas between")
	flag.StringVar(&o.file, "o", "bench.json", "write all samples to this `file`")
	flag.StringVar(&o.docs, "docs", "", "write performance.md's tables and the chart in this `folder`, if all was measured in 10 rounds or more")
	flag.StringVar(&o.with, "with", "", "take what is not measured now, by whole tables, from this `file` of an earlier run on the same machine")
	flag.Parse()
	lab.Program("bench", bound, func(ctx context.Context) error { return start(ctx, o) })
}

func start(ctx context.Context, o options) error {
	if o.rounds < 1 {
		return fault.System(fmt.Errorf("%d rounds are too few", o.rounds), "give -rounds a number from 1 on")
	}
	executor, err := lab.Executor(o.executor)
	if err != nil {
		return err
	}
	var before report
	if o.with != "" {
		if before, err = readReport(o.with); err != nil {
			return err
		}
	}
	var runner, version string
	if o.runner != "" {
		if runner, version, err = realrunner.Find(ctx, o.runner, "bench"); err != nil {
			return err
		}
	}
	b, err := newBench(ctx, executor, runner, o.rounds)
	if err != nil {
		return err
	}
	b.runner = version
	err = b.choose(o.only)
	if err == nil {
		err = b.run(ctx)
	}
	left := b.close(ctx)
	if ctx.Err() != nil && left == nil {
		return ctx.Err() // the interrupted work has no more to say
	}
	if err := errors.Join(err, left); err != nil {
		return err
	}
	r := b.report(time.Now())
	whole := strings.TrimSpace(o.only) == ""
	if o.with != "" {
		if r, err = r.with(before); err != nil {
			return err
		}
		whole = true
	}
	r.print(os.Stdout)
	if err := r.write(o.file); err != nil {
		return err
	}
	if o.docs != "" && whole && r.Rounds >= enough {
		if err := r.document(o.docs); err != nil {
			return err
		}
	}
	return r.verdict()
}
