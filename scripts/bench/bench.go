package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"gitlab-dind-executor/test/lab"
)

const (
	// prefix begins the names of all that the bench itself creates.
	prefix = "dind-bench-"
	// firstLine is what every script says when docker has answered.
	firstLine = "first line"
	// sampleBound is for a measurement that hangs; the slowest takes 10 s.
	sampleBound = time.Minute
)

// contender is one way to get a daemon. Its measure makes all that a job needs,
// removes it, and returns the time to the first line.
type contender struct {
	key, name string
	measure   func(ctx context.Context) (time.Duration, error)
}

// bench is a run of the benchmark.
type bench struct {
	lab        *lab.Lab
	engine     string // its version
	contenders []contender
	samples    map[string][]time.Duration
	count      int
}

func newBench(ctx context.Context, executor string) (*bench, error) {
	l, err := lab.New(ctx, lab.Options{Binary: executor})
	if err != nil {
		return nil, err
	}
	b := &bench{lab: l, samples: map[string][]time.Duration{}}
	version, err := l.Engine.ServerVersion(ctx)
	if err != nil {
		return nil, errors.Join(err, b.close())
	}
	b.engine = version.Version
	b.contenders = []contender{
		{stockTLS, "docker:dind, TLS", b.stock(withTLS)},
		{stockPlain, "docker:dind, --tls=false", b.stock(withoutTLS)},
		{oursCold, "this executor, cold", b.hooks},
		{oursJob, "this executor, with helper stages", b.job},
		{bareRun, "docker run without a daemon", b.bare},
	}
	return b, nil
}

func (b *bench) close() error { return b.lab.Close() }

// run measures all contenders in turns. The first round warms up what the
// engine and the kernel keep; it does not count.
func (b *bench) run(ctx context.Context, out io.Writer, rounds int) error {
	fmt.Fprintf(out, "\nTime to the first line of a script, docker %s, %d rounds\n\n", b.engine, rounds)
	for round := range rounds + 1 {
		label := fmt.Sprintf("round %d", round)
		if round == 0 {
			label = "warm-up"
		}
		fmt.Fprintf(out, "  %-9s", label)
		for _, c := range b.contenders {
			took, err := b.sample(ctx, c)
			if err != nil {
				fmt.Fprintln(out)
				return fmt.Errorf("%s: %w", c.name, err)
			}
			fmt.Fprintf(out, "  %s %5.0f ms", c.key, milliseconds(took))
			if round > 0 {
				b.samples[c.key] = append(b.samples[c.key], took)
			}
		}
		fmt.Fprintln(out)
	}
	return nil
}

func (b *bench) sample(ctx context.Context, c contender) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, sampleBound)
	defer cancel()
	return c.measure(ctx)
}

// unique is a name for one measurement's objects.
func (b *bench) unique() string {
	b.count++
	return fmt.Sprintf("%s%d-%d", prefix, os.Getpid(), b.count)
}
