package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"gitlab-dind-executor/fault"
)

// Program is the main function of a program of scripts/. Program calls run, and exits with 1 if
// run fails. bound ends a hanging run. A signal ends run's context and stays caught to the end,
// because a second signal must not cut cleanup off. A closed stdout does not end the program
// either. name is the Makefile's target.
func Program(name string, bound time.Duration, run func(context.Context) error) {
	ownInstallation()
	signal.Ignore(syscall.SIGPIPE)
	signals, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(signals, bound)
	defer cancel()
	err := run(ctx)
	if err == nil {
		return
	}
	if signals.Err() != nil && errors.Is(err, context.Canceled) {
		err = fault.System(errors.New("interrupted"), "what was under way was ended and cleaned up; run make "+name+" again")
	}
	printError(err)
	os.Exit(1)
}

// Executor returns the absolute path of a binary, which must exist.
func Executor(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil {
		return "", fault.System(fmt.Errorf("the executor is not there: %w", err), "run make build")
	}
	return path, nil
}

// printError prints the failure in a first line, then a hint in a second.
func printError(err error) {
	text, hint, _ := strings.Cut(err.Error(), "\nhint: ")
	if h := fault.HintOf(err); h != "" {
		hint = h
	}
	if hint == "" {
		hint = "run scripts/engine and scripts/images, then try again"
	}
	fmt.Fprintf(os.Stderr, "error: %s\nhint: %s\n", fault.OneLine(text), hint)
}
