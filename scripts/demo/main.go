// Command demo runs the pipeline of README.md on the engine of this machine and
// shows that what it pushed is in the registry and that nothing is left on the
// engine. Everything is real but GitLab, for which executor/local stands in.
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
	"time"

	"gitlab-dind-executor/fault"
)

// bound is for a demo that hangs; it takes a few seconds.
const bound = 5 * time.Minute

func main() {
	executor := flag.String("executor", "bin/gitlab-dind-executor", "the `binary` to show")
	flag.Parse()
	// Signals stay caught to the end: a second one must not cut cleanup off.
	signals, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(signals, bound)
	defer cancel()

	err := start(ctx, *executor)
	if err == nil {
		return
	}
	if signals.Err() != nil && errors.Is(err, context.Canceled) {
		err = fault.System(errors.New("interrupted"), "the job was ended and cleaned up; run make demo again")
	}
	printError(err)
	os.Exit(1)
}

func start(ctx context.Context, executor string) error {
	executor, err := filepath.Abs(executor)
	if err != nil {
		return err
	}
	if _, err := os.Stat(executor); err != nil {
		return fault.System(fmt.Errorf("there is nothing to show: %w", err), "run make build")
	}
	return demo(ctx, os.Stdout, executor)
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
