package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"time"

	"gitlab-dind-executor/fault"
)

const (
	// minRatioTLS is how many times faster than docker:dind with TLS a job of
	// ours must begin, minRatioPlain than without TLS.
	minRatioTLS   = 2.0
	minRatioPlain = 1.0
)

// row is what became of one contender. Times are in milliseconds.
type row struct {
	Key     string    `json:"key"`
	Name    string    `json:"name"`
	Median  float64   `json:"median_ms"`
	Min     float64   `json:"min_ms"`
	Max     float64   `json:"max_ms"`
	Samples []float64 `json:"samples_ms"`
}

// report is a whole run, as it is written to the file.
type report struct {
	Date   time.Time `json:"date"`
	Engine string    `json:"engine"`
	Cores  int       `json:"cores"`
	Rounds int       `json:"rounds"`
	Rows   []row     `json:"rows"`
	// Ratios are of medians: how many times faster ours is.
	RatioTLS   float64 `json:"ratio_tls"`
	RatioPlain float64 `json:"ratio_plain"`
}

func (b *bench) report(rounds int) report {
	r := report{Date: time.Now().UTC().Truncate(time.Second), Engine: b.engine, Cores: runtime.NumCPU(), Rounds: rounds}
	for _, c := range b.contenders {
		r.Rows = append(r.Rows, newRow(c.key, c.name, b.samples[c.key]))
	}
	ours := median(b.samples[oursCold]).Seconds()
	r.RatioTLS = median(b.samples[stockTLS]).Seconds() / ours
	r.RatioPlain = median(b.samples[stockPlain]).Seconds() / ours
	return r
}

// newRow needs at least one sample.
func newRow(key, name string, samples []time.Duration) row {
	r := row{
		Key: key, Name: name,
		Median: milliseconds(median(samples)), Min: milliseconds(slices.Min(samples)), Max: milliseconds(slices.Max(samples)),
	}
	for _, s := range samples {
		r.Samples = append(r.Samples, milliseconds(s))
	}
	return r
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Round(100*time.Microsecond)) / float64(time.Millisecond)
}

// median is the middle, or the mean of the two in the middle.
func median(values []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func (r report) print(out io.Writer) {
	fmt.Fprintf(out, "\n      %-34s  %9s  %9s  %9s  %7s\n", "", "median", "min", "max", "spread")
	for _, row := range r.Rows {
		fmt.Fprintf(out, "  %-2s  %-34s  %6.0f ms  %6.0f ms  %6.0f ms  %5.0f %%\n",
			row.Key, row.Name, row.Median, row.Min, row.Max, 100*(row.Max-row.Min)/row.Median)
	}
	fmt.Fprintf(out, "\n  A / C  %5.2f   must be at least %.1f\n", r.RatioTLS, minRatioTLS)
	fmt.Fprintf(out, "  B / C  %5.2f   must be at least %.1f\n\n", r.RatioPlain, minRatioPlain)
}

func (r report) write(file string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
		return fault.System(fmt.Errorf("writing the samples: %w", err), "name another file with -o")
	}
	return nil
}

// verdict is an error when ours is not fast enough.
func (r report) verdict() error {
	const hint = "if the spread is large the machine was busy: run it again; else see which phase grew with make demo"
	// Not "<", so that no number is not fast enough either.
	if !(r.RatioTLS >= minRatioTLS) {
		return fault.System(fmt.Errorf("%.2f times as fast as docker:dind with TLS, which is less than %.1f", r.RatioTLS, minRatioTLS), hint)
	}
	if !(r.RatioPlain >= minRatioPlain) {
		return fault.System(fmt.Errorf("%.2f times as fast as docker:dind without TLS, which is slower", r.RatioPlain), hint)
	}
	return nil
}
