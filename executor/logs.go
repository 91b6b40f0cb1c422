package executor

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/moby/term"
	"github.com/spf13/cobra"

	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/wary"
)

// logsCommand shows the log of a sandbox's container.
func (c *call) logsCommand() *cobra.Command {
	var follow bool
	var tail string
	cmd := c.inside("logs", "Show the log of a job's docker daemon, or of another container",
		"Shows the log of a sandbox's docker daemon. --role names another container: sidecar, job,\n"+
			"helper, or service with its name. Name a sandbox by the id of its job, or by the beginning\n"+
			"of its own id. Only GitLab masks variables: this log shows them as the job printed them.",
		plan.RoleSidecar, func(ctx context.Context, d viewer, n looking.Named, p looking.Part) error {
			if lines, err := strconv.Atoi(tail); tail != "all" && (err != nil || lines < 0) {
				return fault.System(fmt.Errorf("--tail %q is no number of lines", tail), `use a number, or "all"`)
			}
			return d.Logs(ctx, n.Sandbox, p, follow, tail, shown(c.raw.out), shown(c.raw.err))
		})
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the container ends, or Ctrl-C")
	cmd.Flags().StringVar(&tail, "tail", "all", "only the last `N` lines")
	return cmd
}

// shown is the output for a container's log. A terminal gets no control sequences; a file
// or another program gets the log as it is.
func shown(out io.Writer) io.Writer {
	if _, isTerminal := term.GetFdInfo(out); isTerminal {
		return wary.Writer(out)
	}
	return out
}
