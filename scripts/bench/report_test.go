package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestARowHasMedianAndRange(t *testing.T) {
	for name, tt := range map[string]struct {
		samples []float64
		median  float64
	}{
		"of one":            {[]float64{3000}, 3000},
		"of an odd number":  {[]float64{9, 1, 2}, 2},
		"of an even number": {[]float64{4, 1, 2, 9}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRow(figure{"A", "stock", "ms"}, tt.samples)
			if r.Median != tt.median || r.Min > r.Median || r.Max < r.Median || len(r.Samples) != len(tt.samples) {
				t.Errorf("row is %+v", r)
			}
		})
	}
	if got := ms(1234567 * time.Nanosecond); got != 1.2 {
		t.Errorf("1.234567 ms is %v", got)
	}
}

// aRun is a report in which each floor is met, or just missed.
func aRun(change map[string]float64) report {
	medians := map[string]float64{
		"A": 2000, "B": 1000, "C": 1000, "A+": 3000, "C+": 1000, "N+": 800, "W+": 400, "D": 200, "A+w": 3500, "C+w": 1400, "W+w": 1000,
		"R": 8000, "RX": 8000, "RL": 2000, "K": 300, "X8": 9000, "P8": 4500, "X8c": 10, "P8c": 7, "BN": 1000, "BP1": 1200, "Q1": 100, "Q32": 150, "M0": 400, "MN": 600, "M0K": 100, "MNK": 150, failedJobs: 0,
	}
	b := &bench{engine: "28", rounds: 1, samples: map[string][]float64{}}
	t := table{key: "t", title: "A title"}
	for key, value := range medians {
		if changed, ok := change[key]; ok {
			value = changed
		}
		t.trials = append(t.trials, trial{figures: []figure{{key, "row <" + key + ">", "ms"}}})
		b.samples[key] = []float64{value}
	}
	b.tables = []table{t}
	return b.report(time.Now())
}

func TestEveryFloorMustBeMet(t *testing.T) {
	if err := aRun(nil).verdict(); err != nil {
		t.Errorf("all are met, and: %v", err)
	}
	if n := len(aRun(nil).Floors); n != len(floors) {
		t.Errorf("%d floors are judged, of %d", n, len(floors))
	}
	for name, tt := range map[string]struct {
		change map[string]float64
		want   string
	}{
		"cold":                   {map[string]float64{"A+": 2990}, "cold: docker executor / ours is 2.99"},
		"warm":                   {map[string]float64{"W+": 390, "A+": 2300, "C+": 700, "N+": 600}, "warm: docker executor / ours is 5.90"},
		"warm beside a bare run": {map[string]float64{"D": 170}, "must be at most 2.25"},
		"cold, without sources":  {map[string]float64{"C": 1001, "B": 5000}, "without sources"},
		"trivial job":            {map[string]float64{"C+w": 1410}, "trivial job as a whole, cold"},
		"end":                    {map[string]float64{"K": 310}, "at its end, in seconds is 0.31, which must be at most 0.3, goal 0.1"},
		"8 at once":              {map[string]float64{"P8": 4501}, "8 at once, to the first line"},
		"CPU of 8 at once":       {map[string]float64{"P8c": 7.01}, "8 at once, CPU"},
		"rebuild":                {map[string]float64{"RL": 2100}, "unchanged rebuild"},
		"back to back":           {map[string]float64{"BP1": 1201}, "back to back, p50"},
		"many that wait":         {map[string]float64{"Q32": 176}, "claim"},
		"many of others":         {map[string]float64{"MN": 601}, "prepare"},
		"the end beside many":    {map[string]float64{"MNK": 151}, "cleanup"},
		"a job failed":           {map[string]float64{failedJobs: 1}, "jobs that failed"},
		"no number":              {map[string]float64{"A+": math.NaN()}, "cold"},
	} {
		t.Run(name, func(t *testing.T) {
			err := aRun(tt.change).verdict()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v", err)
			}
		})
	}
}

func TestTheGoalIsToldApartFromTheFloor(t *testing.T) {
	find := func(change map[string]float64, over string) judged {
		t.Helper()
		for _, f := range floors {
			if f.over != over {
				continue
			}
			for _, j := range aRun(change).Floors {
				if j.Name == f.name {
					return j
				}
			}
		}
		t.Fatalf("no floor of %s", over)
		return judged{}
	}
	for over, tt := range map[string]struct {
		reached float64
		missed  string
	}{"X8": {22500, "met, not the goal"}, "K": {100, "met, not the goal"}} {
		if got := find(nil, over).verdict(); got != tt.missed {
			t.Errorf("%s: %q", over, got)
		}
		if got := find(map[string]float64{over: tt.reached}, over).verdict(); got != "met, and the goal" {
			t.Errorf("%s at its goal: %q", over, got)
		}
	}
}

func TestFloorsOfTailsAreOfWhatOneInTwentyPasses(t *testing.T) {
	r := newRow(figure{"N", "a row", "ms"}, []float64{1, 2, 3})
	for p, want := range map[part]float64{ofMedians: 2, ofTails: 3, ofWorst: 3} {
		if got := p.of(r); got != want {
			t.Errorf("part %d is %v, want %v", p, got, want)
		}
	}
}

func TestATableOfManySamplesShowsItsTail(t *testing.T) {
	r := aRun(nil)
	r.Tables[0].Tail = true
	if text := string(r.markdown(earlier{})); !strings.Contains(text, "| p50 | p95 | min | max |") || strings.Contains(text, "spread") {
		t.Errorf("the page is\n%s", text)
	}
}

func TestAFloorOfWhichSomethingWasNotMeasuredIsNotJudged(t *testing.T) {
	rows := map[string]row{"A+": {Median: 3000}, "D": {Median: 1}}
	if got := judge(rows); len(got) != 0 {
		t.Errorf("judged: %+v", got)
	}
}

func TestTheFileHasAllSamples(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bench.json")
	if err := aRun(nil).write(file); err != nil {
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
	row, ok := got.row("A+")
	if !ok || row.Samples[0] != 3000 || len(got.Floors) != len(floors) || got.Machine.Cores < 1 || got.Machine.Kernel == "" {
		t.Errorf("the file has %s", text)
	}
}

func TestThePageKeepsWhatPeopleWrote(t *testing.T) {
	dir := t.TempDir()
	page := filepath.Join(dir, "performance.md")
	if err := os.WriteFile(page, []byte("before\n"+docBegin+"old figures\n"+docEnd+"\nafter\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := aRun(nil).document(dir); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	got := string(text)
	if !strings.HasPrefix(got, "before\n") || !strings.HasSuffix(got, "\nafter\n") || strings.Contains(got, "old figures") ||
		strings.Count(got, "### A title") != 1 || !strings.Contains(got, "| `A+` | row <A+> | 3000 ms |") {
		t.Errorf("the page is\n%s", got)
	}
	if err := os.WriteFile(page, []byte("no marks\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := aRun(nil).document(dir); err == nil || !strings.Contains(err.Error(), "no marks") {
		t.Errorf("error is %v", err)
	}
}

func TestTheChartIsWellFormedAndLeavesOutWhatIsMissing(t *testing.T) {
	svg := string(aRun(nil).chart())
	for dec := xml.NewDecoder(strings.NewReader(svg)); ; {
		if _, err := dec.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
	}
	for _, part := range []string{"prefers-color-scheme: dark", "row &lt;W+&gt;", "3.00 s", `class="ours"`} {
		if !strings.Contains(svg, part) {
			t.Errorf("the chart lacks %q:\n%s", part, svg)
		}
	}
	if strings.Contains(svg, "row &lt;SL&gt;") {
		t.Error("the chart has a row that was not measured")
	}
}

func TestRowsAndTablesAreChosenByTheirKeys(t *testing.T) {
	tables := func() *bench {
		one := func(keys ...string) (tr trial) {
			for _, k := range keys {
				tr.figures = append(tr.figures, figure{key: k})
			}
			return tr
		}
		return &bench{tables: []table{{key: "x", trials: []trial{one("A"), one("B", "C")}}, {key: "y", trials: []trial{one("D")}}}}
	}
	for only, want := range map[string][]int{"": {2, 1}, "C": {1}, "x": {2}, "A, y": {1, 1}} {
		b := tables()
		if err := b.choose(only); err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, t := range b.tables {
			got = append(got, len(t.trials))
		}
		if len(got) != len(want) || got[0] != want[0] || got[len(got)-1] != want[len(want)-1] {
			t.Errorf("%q leaves %v", only, got)
		}
	}
	if err := tables().choose("A,Z"); err == nil || !strings.Contains(err.Error(), `"Z"`) {
		t.Errorf("error is %v", err)
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

func TestTablesOfAnEarlierRunStandBesideThoseOfThis(t *testing.T) {
	before, now := aRun(nil), aRun(nil)
	other := section{Key: "other", Title: "Another", Rows: []row{{Key: "X", Median: 1}}}
	before.Tables, before.Rounds = append(before.Tables, other), 12
	now.Tables[0].Rows[0].Median, now.Rounds = 4711, 10
	all, err := now.with(before)
	if err != nil || len(all.Tables) != 2 || all.Tables[0].Rows[0].Median != 4711 || all.Tables[1].Key != "other" || all.Rounds != 10 || len(all.Again) != 1 || !strings.Contains(string(all.markdown(earlier{})), "later run than the other tables: "+now.Tables[0].Title+".") {
		t.Errorf("%+v (%v)", all.Tables, err)
	}
	if len(all.Floors) != len(floors) {
		t.Errorf("%d floors are judged", len(all.Floors))
	}
	now.Tables = append(now.Tables, section{Key: "new", Title: "New", Rows: []row{{Key: "N", Median: 2}}, Missing: []string{"gvisor, since the engine has no runtime runsc"}})
	all, err = now.with(before)
	if _, has := all.row("N"); err != nil || !has || len(all.Tables) != 3 {
		t.Errorf("a table that is new is lost: %+v (%v)", all.Tables, err)
	}
	var printed strings.Builder
	all.print(&printed)
	for _, text := range []string{string(all.markdown(earlier{})), printed.String()} {
		if strings.Count(text, "Not measured: gvisor, since the engine has no runtime runsc.") != 1 {
			t.Errorf("what is missing is not told:\n%s", text)
		}
	}
	now.Tables = now.Tables[:1]
	now.Tables[0].Rows = now.Tables[0].Rows[1:]
	if _, err := now.with(before); err == nil {
		t.Error("a part of a table stands for all of it")
	}
	before.Machine.Engine = "another"
	if _, err := now.with(before); err == nil {
		t.Error("another machine's tables are taken")
	}
}

func TestTheBuildScriptSaysTheLineThatTheClockWaitsFor(t *testing.T) {
	if !strings.Contains(buildScript, `echo "`+firstLine+`"`) {
		t.Errorf("build.sh does not say %q:\n%s", firstLine, buildScript)
	}
}
