package executor

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/group"
)

// settleCommand does for a job what can be done while its sources are fetched:
// it starts the job's container, and notes that a sandbox that was made ahead is used.
// prepare runs it behind itself, since the engine takes its time and may forget a
// request whose client has gone.
func (c *call) settleCommand() *cobra.Command {
	var start, used bool
	cmd := &cobra.Command{
		Use: "settle JOB", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.onEngine(within(settleBound), func(ctx context.Context, _ config.Settings, d *driver.Driver) error {
				var g group.Group
				if start {
					g.Go(func() error { return d.StartEarly(ctx, args[0]) })
				}
				if used {
					g.Go(func() error { return d.NoteUsed(ctx, args[0]) })
				}
				return g.Wait()
			})(cmd, args)
		},
	}
	cmd.Flags().BoolVar(&start, "start", false, "start the job's container")
	cmd.Flags().BoolVar(&used, "used", false, "note that a job has used the sandbox")
	return cmd
}

// settleBound is what that may take.
const settleBound = time.Minute
