package executor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/wary"
)

const (
	// statusBound is what one look may take; the driver's own bounds are below it.
	statusBound = 30 * time.Second
	// watchEvery is the pause between two looks.
	watchEvery = 2 * time.Second
	// widestProject keeps a line below 100 columns.
	widestProject, widestJob = 26, 12
)

// fullStatus is what --json shows.
type fullStatus struct {
	looking.Status
	Pool poolSummary `json:"pool"`
}

// poolSummary is how many sandboxes wait, and how many should.
type poolSummary struct {
	Waiting int `json:"waiting"`
	Size    int `json:"size"`
	// Bare and BareSize are the same of those without a daemon.
	Bare     int `json:"bare"`
	BareSize int `json:"bare_size"`
}

// statusCommand shows all of ours on the engine.
func (c *call) statusCommand() *cobra.Command {
	var watch, asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show sandboxes, whose jobs they are and what they use",
		Long: "Shows every sandbox with its job, its state and what it uses, and what is cached between\n" +
			"jobs. States: making, booting (its docker daemon does not answer yet), running, waiting (in\n" +
			"the pool), bare (likewise, without a daemon), held (of a failed job), going (being removed),\n" +
			"orphan (the next gc removes it), unclear (no gc can judge it). A dash is a number that the\n" +
			"engine did not tell in time.",
		Args: cobra.NoArgs,
		RunE: c.untilTold(func(ctx context.Context, s config.Settings, d *driver.Driver) error {
			var w looking.Watcher
			for {
				st, err := c.status(ctx, d, &w, s)
				if watch && ctx.Err() != nil {
					return nil // that is how it ends
				}
				if err != nil {
					return err
				}
				if err := c.showStatus(st, s, watch, asJSON); err != nil || !watch {
					return err
				}
				select {
				case <-time.After(watchEvery):
				case <-ctx.Done():
					return nil
				}
			}
		}),
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "look again every 2 s until Ctrl-C")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, one document a look")
	return cmd
}

func (c *call) status(ctx context.Context, d viewer, w *looking.Watcher, s config.Settings) (fullStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, statusBound)
	defer cancel()
	st, err := d.Status(ctx, w, time.Now(), s.PrepareBound())
	full := fullStatus{st, poolSummary{Size: s.Pool.Size, BareSize: s.Pool.Bare}}
	for _, one := range st.Sandboxes {
		switch one.State {
		case looking.Waits:
			full.Pool.Waiting++
		case looking.Bare:
			full.Pool.Bare++
		}
	}
	return full, err
}

func (c *call) showStatus(st fullStatus, s config.Settings, watch, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(c.stdout).Encode(st)
	}
	var text strings.Builder
	st.write(&text, s)
	if watch {
		if _, err := io.WriteString(c.raw.out, "\x1b[H\x1b[2J"); err != nil { // home, and all cleared
			return err
		}
	}
	_, err := io.WriteString(c.stdout, text.String())
	return err
}

// write shows a status to a person.
func (st fullStatus) write(out io.Writer, s config.Settings) {
	if len(st.Sandboxes) == 0 {
		fmt.Fprintln(out, "no sandboxes")
	} else {
		w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
		fmt.Fprintln(w, "SANDBOX\tSTATE\tJOB\tPROJECT\tAGE\tCPU\tMEMORY\tDISK")
		for _, one := range st.Sandboxes {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", wary.Line(one.Sandbox), one.State,
				shortened(path.Base(one.Job), widestJob), shortened(one.Project, widestProject),
				age(st.Time.Sub(one.Created)), cpus(one.CPUs), bytesOf(one.Memory), bytesOf(one.Disk))
		}
		_ = w.Flush() // into memory
	}
	fmt.Fprintln(out)
	if st.Pool.Size > 0 || st.Pool.Waiting > 0 {
		fmt.Fprintf(out, "pool     %d of %d wait\n", st.Pool.Waiting, st.Pool.Size)
	}
	if st.Pool.BareSize > 0 || st.Pool.Bare > 0 {
		fmt.Fprintf(out, "bare     %d of %d wait\n", st.Pool.Bare, st.Pool.BareSize)
	}
	if k := st.Cached; k.Caches+k.Layers > 0 {
		fmt.Fprintf(out, "cached   %d caches and %d layers of projects, %d in use, %s", k.Caches, k.Layers, k.InUse, bytesOf(k.Size))
		if s.Cache.MaxSize > 0 {
			fmt.Fprintf(out, " (at most %s)", units.BytesSize(float64(s.Cache.MaxSize)))
		}
		fmt.Fprintln(out)
	} else {
		fmt.Fprintln(out, "cached   nothing of projects")
	}
	for _, m := range st.Mirrors {
		fmt.Fprintf(out, "mirror   %s of %s: %s, %s, %d jobs\n", wary.Line(m.Name), wary.Line(m.Remote), m.State, bytesOf(m.Size), m.Jobs)
	}
	for _, one := range st.Sandboxes {
		if one.DaemonEnded && one.State == looking.Running {
			fmt.Fprintf(out, "\n%s: its docker daemon has ended\n", wary.Line(one.Sandbox))
			fmt.Fprintf(out, "hint: gitlab-dind-executor logs %s --tail 20 shows why\n", wary.Line(one.Sandbox))
		}
		switch one.State {
		case looking.Held:
			fmt.Fprintf(out, "\n%s is held for %s more: gitlab-dind-executor shell %s\n", one.Sandbox, age(one.Until.Sub(st.Time)), one.Sandbox)
			fmt.Fprintln(out, "hint: gitlab-dind-executor gc --held ends that")
		case looking.Orphan, looking.Doubtful:
			fmt.Fprintf(out, "\n%s: %s\n", wary.Line(one.Sandbox), wary.Line(one.Reason))
			if one.State == looking.Orphan {
				fmt.Fprintln(out, "hint: the next job removes it, or gitlab-dind-executor gc")
			} else {
				fmt.Fprintf(out, "hint: if its job is over: docker rm -f the containers of docker ps -a --filter name=dind-%s, then gitlab-dind-executor gc\n", wary.Line(one.Sandbox))
			}
		}
	}
	for _, v := range st.Stuck {
		fmt.Fprintf(out, "\nvolume %s resists its removal: %s\n", wary.Line(v.Name), wary.Line(v.Reason))
		fmt.Fprintln(out, "hint: gitlab-dind-executor gc empties it first; should that fail, it says why")
	}
	for _, m := range st.Missing {
		fmt.Fprintf(out, "\nnot known: %s\n", wary.Line(m))
	}
}

// shortened cuts a name from its beginning, which says less than its end.
func shortened(name string, width int) string {
	runes := []rune(wary.Line(name))
	switch {
	case name == "" || name == ".":
		return "-"
	case len(runes) <= width:
		return string(runes)
	}
	return "…" + string(runes[len(runes)-width+1:])
}

// age is a duration in its largest unit.
func age(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
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
	return units.BytesSize(float64(n))
}
