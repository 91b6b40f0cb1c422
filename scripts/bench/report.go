package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gitlab-dind-executor/fault"
)

// row is the result of a figure, in its unit.
type row struct {
	Key     string    `json:"key"`
	Name    string    `json:"name"`
	Unit    string    `json:"unit"`
	Median  float64   `json:"median"`
	P95     float64   `json:"p95"`
	Min     float64   `json:"min"`
	Max     float64   `json:"max"`
	Samples []float64 `json:"samples"`
}

// section is a table's rows.
type section struct {
	Key   string `json:"key"`
	Title string `json:"title"`
	Rows  []row  `json:"rows"`
	// Tail says that P95 of the rows means something.
	Tail bool `json:"tail,omitempty"`
	// Missing says what could not be measured, and why.
	Missing []string `json:"missing,omitempty"`
}

// machine describes the measured machine.
type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory string `json:"memory"`
	Kernel string `json:"kernel"`
	Engine string `json:"engine"`
	Inner  string `json:"inner"`
	// Runner is the version of the GitLab Runner that drives the jobs. It is "" where
	// executor/local drives them.
	Runner string `json:"runner,omitempty"`
}

// driver names the program that calls the hooks.
func (m machine) driver() string {
	if m.Runner == "" {
		return "a stand-in for GitLab Runner"
	}
	return "GitLab Runner " + m.Runner
}

// report is a whole run in the file's form.
type report struct {
	Date    time.Time `json:"date"`
	Machine machine   `json:"machine"`
	Rounds  int       `json:"rounds"`
	// Again are the titles of tables that are of a later run than the others.
	Again  []string  `json:"again,omitempty"`
	Tables []section `json:"tables"`
	Floors []judged  `json:"floors"`
}

func (b *bench) report(now time.Time) report {
	r := report{
		Date: now.UTC().Truncate(time.Second), Machine: thisMachine(), Rounds: b.rounds,
	}
	r.Machine.Engine, r.Machine.Inner, r.Machine.Runner = b.engine, b.inner, b.runner
	rows := map[string]row{}
	for _, t := range b.tables {
		s := section{Key: t.key, Title: t.title, Tail: t.tail, Missing: t.missing}
		for _, tr := range t.trials {
			for _, f := range tr.figures {
				if samples := b.samples[f.key]; len(samples) > 0 {
					rows[f.key] = newRow(f, samples)
					s.Rows = append(s.Rows, rows[f.key])
				}
			}
		}
		r.Tables = append(r.Tables, s)
	}
	r.Floors = judge(rows)
	return r
}

// newRow summarises the samples of a figure, at least one.
func newRow(f figure, samples []float64) row {
	return row{
		Key: f.key, Name: f.name, Unit: f.unit, Samples: samples,
		Median: median(samples), P95: tailOf(samples), Min: slices.Min(samples), Max: slices.Max(samples),
	}
}

// text writes a value of the row with its unit.
func (r row) text(v float64) string {
	return strings.TrimSpace(fmt.Sprintf("%.*f %s", digits(r.Unit), v, r.Unit))
}

// columns are the headings of a section's numbers.
func (s section) columns() []string {
	if s.Tail {
		return []string{"p50", "p95", "min", "max"}
	}
	return []string{"median", "min", "max", "spread"}
}

func (s section) cells(r row) []string {
	if s.Tail {
		return []string{r.text(r.Median), r.text(r.P95), r.text(r.Min), r.text(r.Max)}
	}
	return []string{r.text(r.Median), r.text(r.Min), r.text(r.Max), r.spread()}
}

// spread is the distance from the least sample to the greatest, as a part of the median.
func (r row) spread() string {
	if r.Median == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f %%", 100*(r.Max-r.Min)/r.Median)
}

// row finds a row by its key.
func (r report) row(key string) (row, bool) {
	for _, s := range r.Tables {
		for _, row := range s.Rows {
			if row.Key == key {
				return row, true
			}
		}
	}
	return row{}, false
}

func (r report) print(out io.Writer) {
	for _, s := range r.Tables {
		fmt.Fprintf(out, "\n%s\n\n", s.Title)
		line := func(cells []string) {
			fmt.Fprintf(out, "  %-5s  %-66s", cells[0], cells[1])
			for _, cell := range cells[2:] {
				fmt.Fprintf(out, "  %10s", cell)
			}
			fmt.Fprintln(out)
		}
		line(append([]string{"", ""}, s.columns()...))
		for _, row := range s.Rows {
			line(append([]string{row.Key, row.Name}, s.cells(row)...))
		}
		if text := notMeasured(s.Missing); text != "" {
			fmt.Fprintf(out, "  %s\n", text)
		}
	}
	fmt.Fprintln(out)
	for _, j := range r.Floors {
		fmt.Fprintf(out, "  %-66s  %6.2f  %-24s  %s\n", j.Name, j.Value, j.bounds(), j.verdict())
	}
	fmt.Fprintln(out)
}

// readReport reads a report that write has written.
func readReport(file string) (report, error) {
	var r report
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		return r, fault.System(fmt.Errorf("reading an earlier run: %w", err), "name by -with what make bench has written, such as bench.json")
	}
	return r, nil
}

// with puts the report's tables in the place of an earlier run's. Each table is of a single
// run, and so is each floor.
func (r report) with(before report) (report, error) {
	if before.Machine != r.Machine {
		return r, fault.System(fmt.Errorf("the earlier run was on another machine or engine: %+v", before.Machine), "measure all tables again")
	}
	all := r
	all.Rounds, all.Tables = min(r.Rounds, before.Rounds), nil
	for _, t := range r.Tables {
		all.Again = append(all.Again, t.Title)
	}
	rows := map[string]row{}
	for _, s := range before.Tables {
		if i := slices.IndexFunc(r.Tables, func(now section) bool { return now.Key == s.Key }); i >= 0 {
			if len(r.Tables[i].Rows) != len(s.Rows) {
				return r, fault.System(fmt.Errorf("not all rows of table %q were measured", s.Key), "name the table by -only, not its rows")
			}
			s = r.Tables[i]
		}
		all.Tables = append(all.Tables, s)
	}
	for _, s := range r.Tables { // sections that an earlier program did not know
		if !slices.ContainsFunc(before.Tables, func(b section) bool { return b.Key == s.Key }) {
			all.Tables = append(all.Tables, s)
		}
	}
	for _, s := range all.Tables {
		for _, row := range s.Rows {
			rows[row.Key] = row
		}
	}
	all.Floors = judge(rows)
	return all, nil
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

// thisMachine asks the kernel. Facts that the kernel does not tell stay empty.
func thisMachine() machine {
	m := machine{
		Cores: runtime.NumCPU(), CPU: procField("/proc/cpuinfo", "model name"), Memory: procField("/proc/meminfo", "MemTotal"),
	}
	var kib int64
	if _, err := fmt.Sscanf(m.Memory, "%d kB", &kib); err == nil {
		m.Memory = fmt.Sprintf("%.0f GiB", float64(kib)/(1<<20))
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	return m
}

// procField is the value of the first line with the key.
func procField(file, key string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if k, v, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// innerVersion is the version of the daemon in the sidecars.
func (b *bench) innerVersion(ctx context.Context) string {
	j, err := b.newHookedJob(ctx, b.lab.Settings)
	if err != nil {
		return ""
	}
	defer func() { _ = j.end(ctx) }()
	sandbox, err := b.booted(ctx, j)
	if err != nil {
		return ""
	}
	out, _ := command(ctx, "docker", "exec", "dind-"+sandbox+"-sidecar", "docker", "version", "-f", "{{.Server.Version}}").Output()
	return strings.TrimSpace(string(out))
}
