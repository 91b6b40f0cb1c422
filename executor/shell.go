package executor

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/moby/term"
	"github.com/spf13/cobra"

	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

// shellCommand lets an admin look inside.
func (c *call) shellCommand() *cobra.Command {
	return c.inside("shell", "Open a shell in a job container, or in another container of its sandbox",
		"Opens a shell in the job container. --role names another container: sidecar, job, helper,\n"+
			"or service with its name. Without a terminal the shell reads commands from stdin. The exit\n"+
			"code is the shell's. Its environment has the job's variables, masked ones too.",
		plan.RoleJob, func(ctx context.Context, d viewer, n looking.Named, p looking.Part) error {
			t := looking.Terminal{In: os.Stdin, Out: c.raw.out, Err: c.raw.err}
			restore, err := c.onTerminal(ctx, &t)
			if err != nil {
				return err
			}
			defer restore()
			code, err := d.Shell(ctx, n, p, t)
			if err != nil || code == 0 {
				return err
			}
			return exited{code}
		})
}

// onTerminal hands a person's terminal, if any, over to the shell. restore takes the
// terminal back.
func (c *call) onTerminal(ctx context.Context, t *looking.Terminal) (restore func(), err error) {
	in, isTerminal := term.GetFdInfo(os.Stdin)
	out, shown := term.GetFdInfo(c.raw.out)
	if !isTerminal || !shown {
		return func() {}, nil
	}
	state, err := term.SetRawTerminal(in)
	if err != nil {
		return nil, fault.System(errors.New("the terminal cannot be handed over: "+err.Error()), "without one, commands are read from stdin")
	}
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	sizes := make(chan looking.Size)
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		for {
			if s, err := term.GetWinsize(out); err == nil {
				select {
				case sizes <- looking.Size{Height: uint(s.Height), Width: uint(s.Width)}:
				case <-ctx.Done():
					return
				}
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Sizes = sizes
	return func() {
		cancel()
		signal.Stop(changed)
		_ = term.RestoreTerminal(in, state)
	}, nil
}
