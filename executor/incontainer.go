package executor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"gitlab-dind-executor/driver/dataroot"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/executor/relay"
	"gitlab-dind-executor/fault"
)

// These commands run in a container, either alone with a volume or before the daemon.

// clearDataRootCommand clears a data root behind the job that used it.
func (c *call) clearDataRootCommand() *cobra.Command {
	return c.volumeCommand(plan.ClearCommand, func(ctx context.Context, path string) (string, error) {
		r, err := dataroot.Clear(ctx, path, dataroot.DefaultLimits())
		return fmt.Sprintf("cleared: %d layers, %d other entries stay, %d removed", r.Layers, r.Stay, r.Removed), err
	})
}

// emptyVolumeCommand empties a volume that an engine cannot remove.
func (c *call) emptyVolumeCommand() *cobra.Command {
	return c.volumeCommand(plan.EmptyCommand, func(ctx context.Context, path string) (string, error) {
		return "emptied", dataroot.Empty(ctx, path, dataroot.DefaultLimits())
	})
}

// copyDataRootCommand copies a cleared data root to an empty one.
func (c *call) copyDataRootCommand() *cobra.Command {
	return c.volumeCommand(plan.CopyCommand, func(ctx context.Context, path string) (string, error) {
		return "copied", dataroot.Clone(ctx, plan.CopySource, path, dataroot.DefaultLimits())
	})
}

// volumeCommand is a command in the form that package plan describes.
func (c *call) volumeCommand(name string, run func(ctx context.Context, path string) (string, error)) *cobra.Command {
	return &cobra.Command{
		Use: name + " PATH SECONDS", Hidden: true, Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			seconds, err := strconv.Atoi(args[1])
			if err != nil || seconds < 1 {
				fmt.Fprintf(c.stderr, "not a number of seconds: %q\n", args[1])
				return exited{plan.CommandFault}
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, os.Interrupt)
			defer stop()
			ctx, cancel := context.WithTimeoutCause(ctx, time.Duration(seconds)*time.Second, fmt.Errorf("it takes more than %d s", seconds))
			defer cancel()
			line, err := run(ctx, args[0])
			code := plan.CommandDone
			switch {
			case cmd.Context().Err() == nil && errors.Is(context.Cause(ctx), context.Canceled):
				line, code = "told to end", plan.CommandFault
			case errors.Is(err, dataroot.ErrThrowAway):
				line, code = err.Error(), plan.CommandThrowAway
			case errors.Is(err, dataroot.ErrNotShared):
				line, code = err.Error(), plan.CommandNotShared
			case err != nil:
				line, code = err.Error(), plan.CommandFault
			}
			fmt.Fprintln(c.stderr, fault.OneLine(line))
			if code == plan.CommandDone {
				return nil
			}
			return exited{code}
		},
	}
}

// plantSeedCommand copies a seed in a sidecar, before its daemon starts.
func (c *call) plantSeedCommand() *cobra.Command {
	return &cobra.Command{
		Use: plan.SeedCommand + " SEED DATAROOT SECONDS", Hidden: true, Args: cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			seconds, err := strconv.Atoi(args[2])
			if err != nil {
				return fmt.Errorf("not a number: %q", args[2])
			}
			ctx, cancel := context.WithTimeoutCause(cmd.Context(), time.Duration(seconds)*time.Second, fmt.Errorf("it takes more than %d s", seconds))
			defer cancel()
			if err := dataroot.Copy(ctx, args[0], args[1]); err != nil {
				return fmt.Errorf("this docker daemon begins without the seed's images: %w", err)
			}
			return nil
		},
	}
}

// sealSeedCommand ends the making of a seed.
func (c *call) sealSeedCommand() *cobra.Command {
	return &cobra.Command{
		Use: plan.SealCommand + " SEED", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return dataroot.Seal(args[0]) },
	}
}

// relayNamesCommand answers questions for names in a sandbox.
func (c *call) relayNamesCommand() *cobra.Command {
	return &cobra.Command{
		Use: plan.RelayCommand + " ADDRESS UPSTREAM", Hidden: true, Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, os.Interrupt)
			defer stop()
			return relay.Serve(ctx, args[0], args[1])
		},
	}
}
