package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestARowHasMedianAndRange(t *testing.T) {
	for name, tt := range map[string]struct {
		samples []time.Duration
		median  float64
	}{
		"of one":             {[]time.Duration{3 * time.Second}, 3000},
		"of an odd number":   {[]time.Duration{9 * time.Second, time.Second, 2 * time.Second}, 2000},
		"of an even number":  {[]time.Duration{4 * time.Second, time.Second, 2 * time.Second, 9 * time.Second}, 3000},
		"of less than 0.1 s": {[]time.Duration{1234567 * time.Nanosecond}, 1.2},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRow("A", "stock", tt.samples)
			if r.Median != tt.median || r.Min > r.Median || r.Max < r.Median || len(r.Samples) != len(tt.samples) {
				t.Errorf("row is %+v", r)
			}
		})
	}
}

func TestOursMustBeFastEnough(t *testing.T) {
	for name, tt := range map[string]struct {
		tls, plain float64
		want       string
	}{
		"twice as fast and no slower": {2, 1, ""},
		"not twice as fast":           {1.99, 1.5, "less than 2.0"},
		"slower than without TLS":     {3, 0.99, "slower"},
		"nothing was measured":        {math.NaN(), math.NaN(), "less than 2.0"},
	} {
		t.Run(name, func(t *testing.T) {
			err := report{RatioTLS: tt.tls, RatioPlain: tt.plain}.verdict()
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error is %v", err)
			}
		})
	}
}

func TestTheFileHasAllSamples(t *testing.T) {
	b := &bench{engine: "28", samples: map[string][]time.Duration{}}
	for _, c := range []struct {
		key  string
		took time.Duration
	}{{stockTLS, 6 * time.Second}, {stockPlain, 3 * time.Second}, {oursCold, 2 * time.Second}} {
		b.contenders = append(b.contenders, contender{key: c.key})
		b.samples[c.key] = []time.Duration{c.took}
	}
	file := filepath.Join(t.TempDir(), "bench.json")
	if err := b.report(1).write(file); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got report
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.RatioTLS != 3 || got.RatioPlain != 1.5 || len(got.Rows) != 3 || got.Rows[2].Samples[0] != 2000 || got.Cores < 1 {
		t.Errorf("the file has %s", text)
	}
}

func TestTheClockStopsAtTheLineAlone(t *testing.T) {
	var c lineClock
	start := time.Now()
	for _, part := range []string{"$ echo 'first line'\n", "first", " line", " of many\n"} {
		if _, err := c.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.since(start); err == nil || !strings.Contains(err.Error(), "of many") {
		t.Errorf("error is %v", err)
	}
	if _, err := c.Write([]byte("first line\r\nmore\n")); err != nil {
		t.Fatal(err)
	}
	if took, err := c.since(start); err != nil || took <= 0 {
		t.Errorf("took %v, error is %v", took, err)
	}
}
