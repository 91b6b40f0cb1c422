package executor

import (
	"fmt"

	"github.com/spf13/cobra"

	"gitlab-dind-executor/fault"
)

// renamed keeps a former name of a command's flag valid. No help shows the former name, and
// its use costs a line of warning. Both names together are a fault.
func (c *call) renamed(cmd *cobra.Command, now, before string) {
	old := *cmd.Flags().Lookup(now) // with the same value
	old.Name, old.Shorthand, old.Hidden = before, "", true
	cmd.Flags().AddFlag(&old)
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if !cmd.Flags().Changed(before) {
			return nil
		}
		if cmd.Flags().Changed(now) {
			return fault.System(fmt.Errorf("--%s and --%s are one flag", before, now), "give --"+now+" alone: the other is its name of before")
		}
		c.log.Warn(fmt.Sprintf("--%s is called --%s now", before, now))
		return nil
	}
}
