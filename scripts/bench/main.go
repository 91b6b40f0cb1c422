// Command bench measures how long a job waits for a Docker daemon of its own:
// from the beginning until the first line of its script arrives, right after
// docker version has succeeded. It measures docker:dind used as documented and
// this executor on the same engine in the same run, in turns, so that whatever
// else the machine does meets all of them.
//
// It fails when this executor is less than twice as fast as docker:dind with
// TLS, or slower than docker:dind without.
//
// It may import fault, executor/local, test/lab and test/rig.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"gitlab-dind-executor/fault"
)

func main() {
	executor := flag.String("executor", "bin/gitlab-dind-executor", "the `binary` to measure")
	rounds := flag.Int("rounds", 10, "how many `rounds` to count, after one that is not")
	file := flag.String("o", "bench.json", "write all samples to this `file`")
	flag.Parse()
	// Signals stay caught to the end: a second one must not cut cleanup off.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	err := start(ctx, *executor, *rounds, *file)
	if err == nil {
		return
	}
	if ctx.Err() != nil {
		err = fault.System(errors.New("interrupted"), "nothing is left on the engine; run make bench again")
	}
	printError(err)
	os.Exit(1)
}

func start(ctx context.Context, executor string, rounds int, file string) error {
	if rounds < 1 {
		return fault.System(fmt.Errorf("%d rounds are too few", rounds), "give -rounds a number from 1 on")
	}
	executor, err := filepath.Abs(executor)
	if err != nil {
		return err
	}
	if _, err := os.Stat(executor); err != nil {
		return fault.System(fmt.Errorf("there is nothing to measure: %w", err), "run make build")
	}
	b, err := newBench(ctx, executor)
	if err != nil {
		return err
	}
	err = b.run(ctx, os.Stdout, rounds)
	if err := errors.Join(err, b.close()); err != nil {
		return err
	}
	r := b.report(rounds)
	r.print(os.Stdout)
	if err := r.write(file); err != nil {
		return err
	}
	return r.verdict()
}

// printError prints what failed in one line, then a hint in another.
func printError(err error) {
	text, hint, _ := strings.Cut(err.Error(), "\nhint: ")
	if h := fault.HintOf(err); h != "" {
		hint = h
	}
	if hint == "" {
		hint = "run scripts/engine and scripts/images, then try again"
	}
	oneLine := strings.NewReplacer("\n", "; ").Replace(strings.TrimSpace(text))
	fmt.Fprintf(os.Stderr, "error: %s\nhint: %s\n", oneLine, hint)
}
