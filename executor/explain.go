package executor

import (
	"fmt"

	"github.com/spf13/cobra"

	"gitlab-dind-executor/executor/bundle"
	"gitlab-dind-executor/fault"
)

// explainCommand shows the bundle of a failed job.
func (c *call) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain JOB",
		Short: "Show the bundle of a failed job, by the job's id: why it failed",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := c.load()
			if err != nil {
				return err
			}
			place := bundleDir(s.Bundles, c.env)
			dir, names, err := bundle.Find(place, args[0])
			if err != nil {
				return fault.System(err, fmt.Sprintf("bundles of failed jobs stay for %s in %s; run this as the Runner's user", s.Bundles.MaxAge.Std(), place))
			}
			defer dir.Close()
			for _, n := range names {
				b, err := bundle.Read(dir, n)
				if err != nil {
					return err
				}
				b.Show(c.stdout)
			}
			return nil
		},
	}
}
