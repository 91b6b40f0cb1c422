package executor

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

// gcCommand sweeps up what no living job owns.
func (c *call) gcCommand() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Remove what no living job owns",
		Long: "Removes sandboxes whose network is gone, whose owner is dead, or whose deadline has\n" +
			"passed while their owner cannot be proved alive. It touches nothing else.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, d, err := c.open()
			if err != nil {
				return err
			}
			defer d.Close()
			swept, err := d.Sweep(cmd.Context(), time.Now(), dryRun)
			verb := "removed"
			if dryRun {
				verb = "would remove"
			}
			for _, s := range swept {
				fmt.Fprintf(c.stdout, "%s sandbox %s (%d objects): %s\n", verb, s.Sandbox, s.Objects, s.Reason)
			}
			if len(swept) == 0 && err == nil {
				fmt.Fprintln(c.stdout, "nothing to remove")
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be removed")
	return cmd
}
