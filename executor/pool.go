package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/removal"
	"gitlab-dind-executor/fault"
)

// poolSocket is the socket of systemd's unit for plans of sandboxes, if the unit is
// installed. Only tests change the variable.
var poolSocket = "/run/gitlab-dind-executor/pool.sock"

const (
	// fillBound bounds one filling.
	fillBound = 15 * time.Minute
	// maxPlan bounds an encoded plan, in bytes.
	maxPlan = 4 << 20
)

func (c *call) poolCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pool",
		Short: "Look after the sandboxes that wait for jobs",
		Long: "With pool.size in the settings, sandboxes wait with a running docker daemon. With\n" +
			"pool.bare, sandboxes wait without a daemon. Each job refills the pool with its own kind\n" +
			"of sandbox. Where layers are cached, each project's first job fills the pool for that\n" +
			"project.",
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(c.poolFill(), c.poolStatus(), c.poolDrain())
	return cmd
}

func (c *call) poolFill() *cobra.Command {
	var fromStdin bool
	var version string
	cmd := &cobra.Command{
		Use:   "fill",
		Short: "Make sandboxes until as many wait as pool.size and pool.bare say",
		Args:  cobra.NoArgs,
		RunE: c.onEngine(within(fillBound), func(ctx context.Context, settings config.Settings, d *driver.Driver) error {
			if settings.Pool.Size == 0 && settings.Pool.Bare == 0 {
				return fault.System(errors.New("no sandbox is made ahead: pool.size and pool.bare are 0"), "set one of them in the settings")
			}
			usual, _ := plan.Effective(settings, plan.Job{})
			ofProjects := !fromStdin && usual.Cache.Layers != config.LayersOff
			if ofProjects && settings.Pool.Bare == 0 {
				fmt.Fprintln(c.stdout, "made 0: layers are cached, so sandboxes are a project's, and its first job makes one wait")
				return nil
			}
			var p *plan.Plan
			var err error
			if fromStdin {
				p, err = planFrom(os.Stdin)
			} else {
				p, err = c.defaultPlan(ctx, d, settings, version)
			}
			if err != nil {
				return err
			}
			if ofProjects {
				p.Pool = plan.Pool{} // bare ones alone
			}
			var sweepErr error
			if !fromStdin { // the job that asks sweeps
				_, sweepErr = d.Sweep(ctx, time.Now(), settings.PrepareBound(), false)
			}
			made, err := fill(ctx, d, settings, p)
			c.record.Made = made
			fmt.Fprintf(c.stdout, "made %d\n", made)
			return errors.Join(removal.ButStuck(sweepErr), err)
		}),
	}
	cmd.Flags().BoolVar(&fromStdin, "from-stdin", false, "make what the plan on stdin says, behind the job that it comes from")
	_ = cmd.Flags().MarkHidden("from-stdin") // between our own processes
	cmd.Flags().StringVar(&version, "runner-version", "", "the Runner's `VERSION`, which chooses the helper image (default: what gitlab-runner --version says)")
	return cmd
}

func (c *call) poolStatus() *cobra.Command {
	return c.listCommand("status", "List the sandboxes that wait", func(asJSON bool) look {
		return func(ctx context.Context, _ config.Settings, d *driver.Driver) error {
			list, err := d.Pool(ctx)
			if asJSON && err == nil {
				return c.printJSON(append([]driver.Waiting{}, list...)) // none is [], not null
			}
			if err != nil || len(list) == 0 {
				if err == nil {
					fmt.Fprintln(c.stdout, "no sandbox waits")
				}
				return err
			}
			now := time.Now()
			w := tabwriter.NewWriter(c.stdout, 0, 8, 2, ' ', 0)
			fmt.Fprintln(w, "SANDBOX\tIMAGE\tKIND\tAGE\tSTATE")
			for _, s := range list {
				state := "waits"
				switch {
				case !s.Ready:
					state = "not ready"
				case s.Bare:
					state = "bare"
				}
				fmt.Fprintf(w, "%s\t%s\t%.8s\t%s\t%s\n", s.Sandbox, s.Image, s.Kind, config.Age(now.Sub(s.Created)), state)
			}
			return w.Flush()
		}
	})
}

func (c *call) poolDrain() *cobra.Command {
	return &cobra.Command{
		Use:   "drain",
		Short: "Remove the sandboxes that wait",
		Args:  cobra.NoArgs,
		RunE: c.onEngine(within(gcBound), func(ctx context.Context, _ config.Settings, d *driver.Driver) error {
			n, err := d.Drain(ctx)
			fmt.Fprintf(c.stdout, "removed %d\n", n)
			return err
		}),
	}
}

// fill makes sandboxes, bare ones first, while the host has room for a further job. fill
// returns the number of new sandboxes.
func fill(ctx context.Context, d pooler, s config.Settings, p *plan.Plan) (int, error) {
	wanted := d.LetBegin(ctx, p)
	if !wanted && p.Bare.Size == 0 {
		return 0, nil
	}
	facts, err := d.Facts(ctx)
	if err != nil {
		return 0, err
	}
	p.Network.Avoid = facts.Used // a job's plan may be too old to know these
	bare, bareErr := d.FillBare(ctx, p)
	if !wanted {
		return bare, bareErr
	}
	made, err := d.Fill(ctx, p, func(ctx context.Context) error {
		return d.HasRoom(ctx, p.Admission(s.Admission), facts.DataRoot)
	})
	return bare + made, errors.Join(bareErr, err)
}

// planFrom reads a plan from a hook.
func planFrom(r io.Reader) (*plan.Plan, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxPlan))
	if err != nil {
		return nil, fmt.Errorf("reading what sandbox to make: %w", err)
	}
	return plan.Decode(text)
}
