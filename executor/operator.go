package executor

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"gitlab-dind-executor/config"
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

// settingsCommand prints the default file or checks one.
func (c *call) settingsCommand() *cobra.Command {
	var printDefault bool
	var check string
	cmd := &cobra.Command{
		Use:   "settings",
		Short: "Print the default settings or check a file",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			switch {
			case printDefault:
				_, err := c.stdout.Write(config.DefaultFile)
				return err
			case check != "":
				if _, err := os.Stat(check); err != nil {
					return fmt.Errorf("reading the settings: %w", err)
				}
				if _, err := config.Load(check); err != nil {
					return err
				}
				fmt.Fprintf(c.stdout, "%s: no fault found\n", check)
				return nil
			}
			return errors.New("say what to do: --default or --check FILE")
		},
	}
	cmd.Flags().BoolVar(&printDefault, "default", false, "print the default file, with every key explained")
	cmd.Flags().StringVar(&check, "check", "", "check a settings `FILE`")
	return cmd
}
