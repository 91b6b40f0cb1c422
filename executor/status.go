package executor

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"time"

	"github.com/moby/term"
	"github.com/spf13/cobra"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/executor/overview"
)

const (
	// statusBound bounds a look; the driver's own bounds are smaller.
	statusBound = 30 * time.Second
	// watchEvery is the pause between two looks.
	watchEvery = 2 * time.Second
)

// statusCommand shows all of our objects on the engine.
func (c *call) statusCommand() *cobra.Command {
	var watch, asJSON bool
	var choice overview.Choice
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show sandboxes, whose jobs they are and what they use",
		Long: "Shows every sandbox with its job, its state and what it uses, and what is cached between\n" +
			"jobs. The first line sums up. States: making, booting (its docker daemon does not answer\n" +
			"yet), running, waiting (in the pool), bare (likewise, without a daemon), held (of a failed\n" +
			"job), going (being removed), orphan (the next gc removes it), unclear (no gc can judge it).\n" +
			"LEFT is what a job has of its own timeout. A dash is what the engine did not tell in time, or\n" +
			"what an older version of this program did not note. URL is left out where a terminal has no\n" +
			"room for it.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := choice.Check(); err != nil {
				return err
			}
			return c.untilTold(func(ctx context.Context, s config.Settings, d *driver.Driver) error {
				var w looking.Watcher
				for {
					st, err := c.status(ctx, d, &w, s)
					if watch && ctx.Err() != nil {
						return nil // the usual end
					}
					if err != nil {
						return err
					}
					if err := c.showStatus(st, choice, s, watch, asJSON); err != nil || !watch {
						return err
					}
					select {
					case <-time.After(watchEvery):
					case <-ctx.Done():
						return nil
					}
				}
			})(cmd, args)
		},
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "look again every 2 s until Ctrl-C")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, one document a look; --limit does not shorten it")
	cmd.Flags().StringArrayVarP(&choice.Filters, "filter", "f", nil, "only what fits `KEY=PATTERN`, with * for any text and - for none; may be given again. Keys: "+strings.Join(overview.FilterKeys(), ", "))
	cmd.Flags().StringVar(&choice.Sort, "sort", "", "order by `KEY`: "+strings.Join(overview.Sorts(), ", ")+" (default state, with what needs a look first)")
	cmd.Flags().IntVar(&choice.Most, "limit", overview.Page, "show at most `N` sandboxes; 0 shows all")
	_ = cmd.RegisterFlagCompletionFunc("sort", cobra.FixedCompletions(overview.Sorts(), cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	return cmd
}

func (c *call) status(ctx context.Context, d viewer, w *looking.Watcher, s config.Settings) (overview.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, statusBound)
	defer cancel()
	st, err := d.Status(ctx, w, time.Now(), s.PrepareBound())
	return overview.New(st, s.Pool.Size, s.Pool.Bare), err
}

func (c *call) showStatus(st overview.Status, choice overview.Choice, s config.Settings, watch, asJSON bool) error {
	if asJSON {
		st.Sandboxes = choice.Of(st.Sandboxes)
		return json.NewEncoder(c.stdout).Encode(st)
	}
	var text strings.Builder
	st.Write(&text, choice, int64(s.Cache.MaxSize), c.columns())
	if watch {
		if _, err := io.WriteString(c.raw.out, "\x1b[H\x1b[2J"); err != nil { // home, and all cleared
			return err
		}
	}
	_, err := io.WriteString(c.stdout, text.String())
	return err
}

// columns is the width of the terminal that reads along; 0 without a terminal.
func (c *call) columns() int {
	fd, isTerminal := term.GetFdInfo(c.raw.out)
	if !isTerminal {
		return 0
	}
	size, err := term.GetWinsize(fd)
	if err != nil {
		return 0
	}
	return int(size.Width)
}
