package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gitlab-dind-executor/fault"
)

const (
	// firstLine is the line of every script when docker has answered.
	firstLine = "first line"
	// trialBound ends a trial that hangs. The slowest trial of a single job takes 20 s.
	trialBound = 2 * time.Minute
)

// note takes a sample of the row with the key, in the row's unit.
type note func(key string, value float64)

// figure is a row of a table. Its unit is "ms", "s", "MiB" or "".
type figure struct{ key, name, unit string }

// trial measures one or more figures at a time, and removes everything that it makes.
type trial struct {
	figures []figure
	measure func(ctx context.Context, n note) error
	// bound is trialBound unless set.
	bound time.Duration
}

// table is a group of trials that are measured in turns.
type table struct {
	key, title string
	trials     []trial
	// missing says what cannot be measured on this engine, and why.
	missing []string
	// tail says that the samples are many enough for a 95th percentile.
	tail bool
	// rounds is the number of counted rounds. With warm a first round does not count. It warms
	// up caches of the engine and the kernel, or makes layers to find.
	rounds int
	warm   bool
}

// choose removes tables and rows that only does not name. only is a list of keys of tables or
// rows; "" keeps all.
func (b *bench) choose(only string) error {
	if strings.TrimSpace(only) == "" {
		return nil
	}
	wanted := strings.FieldsFunc(only, func(r rune) bool { return r == ',' || r == ' ' })
	known := map[string]bool{}
	var left []table
	for _, t := range b.tables {
		known[t.key] = true
		whole := slices.Contains(wanted, t.key)
		t.trials = slices.DeleteFunc(slices.Clone(t.trials), func(tr trial) bool {
			named := false
			for _, f := range tr.figures {
				known[f.key] = true
				named = named || slices.Contains(wanted, f.key)
			}
			return !whole && !named
		})
		if len(t.trials) > 0 {
			left = append(left, t)
		}
	}
	for _, w := range wanted {
		if !known[w] {
			return fault.System(fmt.Errorf("there is no row or table %q", w), "docs/performance.md lists them")
		}
	}
	b.tables = left
	return nil
}

// run measures all tables in turn.
func (b *bench) run(ctx context.Context) error {
	began := time.Now()
	b.inner = b.innerVersion(ctx)
	fmt.Fprintf(b.out, "\nOn docker %s with %s in the sidecars, %d rounds\n", b.engine, b.inner, b.rounds)
	for _, t := range b.tables {
		fmt.Fprintf(b.out, "\n%s\n\n", t.title)
		for round := range t.rounds + 1 {
			if round == 0 && !t.warm {
				continue
			}
			if err := b.round(ctx, t, round); err != nil {
				return err
			}
		}
		if err := b.drain(ctx); err != nil {
			return err
		}
	}
	fmt.Fprintf(b.out, "\nmeasured in %s\n", time.Since(began).Round(time.Second))
	return nil
}

// round measures each trial of a table once. Round 0 does not count.
func (b *bench) round(ctx context.Context, t table, round int) error {
	label := fmt.Sprintf("round %d", round)
	if round == 0 {
		label = "warm-up"
	}
	fmt.Fprintf(b.out, "  %-9s", label)
	defer fmt.Fprintln(b.out)
	for _, tr := range t.trials {
		if err := b.try(ctx, tr, round > 0); err != nil {
			return fmt.Errorf("%s: %w", tr.figures[0].name, err)
		}
	}
	return nil
}

func (b *bench) try(ctx context.Context, tr trial, counts bool) error {
	bound := tr.bound
	if bound == 0 {
		bound = trialBound
	}
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	if err := b.quiet(ctx); err != nil {
		return err
	}
	found := map[string][]float64{}
	if err := tr.measure(ctx, func(key string, v float64) { found[key] = append(found[key], v) }); err != nil {
		return err
	}
	for _, f := range tr.figures {
		if len(found[f.key]) == 0 {
			continue
		}
		fmt.Fprintf(b.out, "  %s %.*f", f.key, digits(f.unit), median(found[f.key]))
		if counts {
			b.samples[f.key] = append(b.samples[f.key], found[f.key]...)
		}
	}
	return nil
}

// digits is the number of digits after the point that mean something.
func digits(unit string) int {
	switch unit {
	case "MiB":
		return 1
	case "s":
		return 2
	}
	return 0
}

// ms is a time in the unit of samples, milliseconds.
func ms(d time.Duration) float64 {
	return float64(d.Round(100*time.Microsecond)) / float64(time.Millisecond)
}

// tailOf is the 95th percentile.
func tailOf(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(95*len(sorted)+99)/100-1]
}

// median is the middle, or the mean of the two in the middle.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
