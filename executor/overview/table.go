package overview

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/wary"
)

// The widest names keep a line without its URL below 130 columns.
const (
	widestProject, widestJob, widestRef, widestStage = 22, 12, 14, 10
	widestURL                                        = 300
)

// Status is the whole output of `status --json`.
type Status struct {
	looking.Status
	Pool Pool `json:"pool"`
}

// Pool counts waiting sandboxes, beside the wanted numbers.
type Pool struct {
	Waiting int `json:"waiting"`
	Size    int `json:"size"`
	// Bare and BareSize count sandboxes without a daemon.
	Bare     int `json:"bare"`
	BareSize int `json:"bare_size"`
}

// New counts the waiting sandboxes of a status. size and bare are the wanted numbers.
func New(st looking.Status, size, bare int) Status {
	all := Status{st, Pool{Size: size, BareSize: bare}}
	for _, one := range st.Sandboxes {
		switch one.State {
		case looking.Waits:
			all.Pool.Waiting++
		case looking.Bare:
			all.Pool.Bare++
		}
	}
	return all
}

// Write shows a status to a person. most is the settings' bound on the caches, in bytes,
// and 0 for no bound. columns is the width of the terminal, and 0 without a terminal. A
// narrow terminal gets no column of URLs.
func (st Status) Write(out io.Writer, c Choice, most int64, columns int) {
	if c.Sort == "" {
		c.Sort = "state"
	}
	chosen := c.Of(st.Sandboxes)
	shown := chosen
	if c.Most > 0 {
		shown = chosen[:min(len(chosen), c.Most)]
	}
	fmt.Fprintln(out, summary(st.Sandboxes))
	if len(c.Filters) > 0 {
		fmt.Fprintf(out, "%d of them fit %s\n", len(chosen), wary.Line(strings.Join(c.Filters, " and ")))
	}
	if len(shown) > 0 {
		fmt.Fprintln(out)
		st.table(out, shown, columns)
	}
	if more := len(chosen) - len(shown); more > 0 {
		fmt.Fprintf(out, "… and %d more: --limit 0 shows all, --filter state=running those of a kind, --sort memory the largest first\n", more)
	}
	fmt.Fprintln(out)
	st.rest(out, most)
	st.notes(out, shown)
}

// table prints a line for each sandbox.
func (st Status) table(out io.Writer, shown []looking.SandboxStatus, columns int) {
	text := tableOf(shown, st.Time, true)
	if columns > 0 && widest(text) > columns {
		text = tableOf(shown, st.Time, false)
	}
	_, _ = io.WriteString(out, text)
}

func tableOf(shown []looking.SandboxStatus, now time.Time, urls bool) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 8, 2, ' ', 0)
	end := func(cell string) string {
		if !urls {
			return "\n"
		}
		return "\t" + cell + "\n"
	}
	fmt.Fprint(w, "SANDBOX\tSTATE\tJOB\tPROJECT\tREF\tSTAGE\tAGE\tLEFT\tCPU\tMEMORY\tDISK", end("URL"))
	for _, one := range shown {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s%s", wary.Line(one.Sandbox), one.State,
			Shortened(idOf(one.Job), widestJob), Shortened(one.Project, widestProject), Shortened(one.Ref, widestRef), Shortened(one.Stage, widestStage),
			config.Age(now.Sub(one.Created)), left(one, now), cpus(one.CPUs), bytesOf(one.Memory), bytesOf(one.Disk), end(Shortened(one.URL, widestURL)))
	}
	_ = w.Flush() // into memory
	return text.String()
}

func widest(text string) int {
	n := 0
	for line := range strings.Lines(text) {
		n = max(n, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")))
	}
	return n
}

// summary returns the first line: the number of sandboxes by state, their jobs and
// projects, and their use of resources together.
func summary(all []looking.SandboxStatus) string {
	if len(all) == 0 {
		return "no sandboxes"
	}
	states := map[looking.State]int{}
	jobs, projects := map[string]bool{}, map[string]bool{}
	var busy float64
	var memory, disk int64
	least := ""
	for _, one := range all {
		states[one.State]++
		if one.Job != "" {
			jobs[one.Job] = true
		}
		if one.Project != "" {
			projects[one.Project] = true
		}
		if one.CPUs < 0 || one.Memory < 0 || one.Disk < 0 {
			least = "at least "
		}
		busy += max(0, one.CPUs)
		memory += max(0, one.Memory)
		disk += max(0, one.Disk)
	}
	var kinds []string
	for _, s := range looking.States {
		if states[s] > 0 {
			kinds = append(kinds, fmt.Sprintf("%d %s", states[s], s))
		}
	}
	text := fmt.Sprintf("%s: %s; ", counted(len(all), "sandbox", "sandboxes"), strings.Join(kinds, ", "))
	if len(jobs) > 0 {
		text += counted(len(jobs), "job", "jobs") + " of " + counted(len(projects), "project", "projects") + "; "
	}
	return text + fmt.Sprintf("%scpu %.2f, memory %s, disk %s", least, busy, bytesOf(memory), bytesOf(disk))
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// rest prints the state of pool, caches and mirror.
func (st Status) rest(out io.Writer, most int64) {
	if st.Pool.Size > 0 || st.Pool.Waiting > 0 {
		fmt.Fprintf(out, "pool     %d of %d wait\n", st.Pool.Waiting, st.Pool.Size)
	}
	if st.Pool.BareSize > 0 || st.Pool.Bare > 0 {
		fmt.Fprintf(out, "bare     %d of %d wait\n", st.Pool.Bare, st.Pool.BareSize)
	}
	if k := st.Cached; k.Caches+k.Layers > 0 {
		fmt.Fprintf(out, "cached   %d caches and %d layers of projects, %d in use, %s", k.Caches, k.Layers, k.InUse, bytesOf(k.Size))
		if most > 0 {
			fmt.Fprintf(out, " (at most %s)", config.Size(most))
		}
		fmt.Fprintln(out)
	} else {
		fmt.Fprintln(out, "cached   nothing of projects")
	}
	for _, m := range st.Mirrors {
		fmt.Fprintf(out, "mirror   %s of %s: %s, %s, %d jobs\n", wary.Line(m.Name), wary.Line(m.Remote), m.State, bytesOf(m.Size), m.Jobs)
	}
}

// Shortened cuts the beginning of a name, which tells less than the end. An empty name
// becomes a dash.
func Shortened(name string, width int) string {
	runes := []rune(wary.Line(name))
	switch {
	case len(runes) == 0:
		return "-"
	case len(runes) <= width:
		return string(runes)
	}
	return "…" + string(runes[len(runes)-width+1:])
}

func cpus(n float64) string {
	if n < 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", n)
}

func bytesOf(n int64) string {
	if n < 0 {
		return "-"
	}
	return config.Size(n).String()
}
