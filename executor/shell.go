package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/moby/term"
	"github.com/spf13/cobra"

	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/wary"
)

const (
	// findBound is what finding a sandbox may take, completeBound what an admin
	// who presses Tab waits for.
	findBound     = 10 * time.Second
	completeBound = 2 * time.Second
)

// parts are the roles that an admin may name.
var parts = []plan.Role{plan.RoleSidecar, plan.RoleJob, plan.RoleHelper, plan.RoleService}

// exited is a command of ours whose exit code is another's, which has said itself
// what was wrong.
type exited struct{ code int }

func (e exited) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// partOf reads the arguments behind a sandbox or job: a service has a name.
func partOf(role string, args []string) (driver.Part, error) {
	p := driver.Part{Role: plan.Role(role)}
	if !slices.Contains(parts, p.Role) {
		return p, fault.System(fmt.Errorf("there is no role %q", role), "name one of "+roles())
	}
	if len(args) > 1 {
		if p.Role != plan.RoleService {
			return p, fault.System(fmt.Errorf("%q is one name too many", args[1]), "a name goes with --role service alone")
		}
		p.Service = args[1]
	}
	return p, nil
}

func roles() string {
	var names []string
	for _, p := range parts {
		names = append(names, string(p))
	}
	return strings.Join(names, ", ")
}

// inside is a command about one container of a sandbox.
func (c *call) inside(use, short, long string, role plan.Role, run func(context.Context, *driver.Driver, driver.Named, driver.Part) error) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use: use + " SANDBOX|JOB [SERVICE]", Short: short, Long: long, Args: cobra.RangeArgs(1, 2),
		ValidArgsFunction: c.completeSandboxes,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := partOf(name, args)
			if err != nil {
				return err
			}
			_, d, err := c.open()
			if err != nil {
				return err
			}
			defer d.Close()
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGHUP, os.Interrupt)
			defer stop()
			bounded, cancel := context.WithTimeout(ctx, findBound)
			defer cancel()
			n, err := d.Find(bounded, args[0])
			if err != nil {
				return err
			}
			return run(ctx, d, n, p)
		},
	}
	cmd.Flags().StringVar(&name, "role", string(role), "which container: "+roles())
	return cmd
}

// completeSandboxes offers the ids of sandboxes and jobs to a shell.
func (c *call) completeSandboxes(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if _, d, err := c.open(); err == nil && len(args) == 0 {
		defer d.Close()
		ctx, cancel := context.WithTimeout(cmd.Context(), completeBound)
		defer cancel()
		all, _ := d.Named(ctx) // what is not to be had is not offered
		for _, n := range all {
			names = append(names, n.Sandbox)
			if n.Job != "" {
				names = append(names, path.Base(n.Job))
			}
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// shown is where a container's log goes: without control sequences to a terminal,
// as it is to a file or another program.
func shown(out io.Writer) io.Writer {
	if _, isTerminal := term.GetFdInfo(out); isTerminal {
		return wary.Writer(out)
	}
	return out
}

// logsCommand shows what a container of a sandbox printed.
func (c *call) logsCommand() *cobra.Command {
	var follow bool
	var tail string
	cmd := c.inside("logs", "Show what a job's docker daemon, or another container of its, printed",
		"Shows the log of a sandbox's docker daemon, or of the container that --role names: sidecar,\n"+
			"job, helper, or service with its name. A sandbox is named by the beginning of its id or by\n"+
			"its job's id. What a job printed is as it printed it: variables are masked only in GitLab.",
		plan.RoleSidecar, func(ctx context.Context, d *driver.Driver, n driver.Named, p driver.Part) error {
			if lines, err := strconv.Atoi(tail); tail != "all" && (err != nil || lines < 0) {
				return fault.System(fmt.Errorf("--tail %q is no number of lines", tail), `use a number, or "all"`)
			}
			return d.Logs(ctx, n.Sandbox, p, follow, tail, shown(c.raw.out), shown(c.raw.err))
		})
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the container ends, or Ctrl-C")
	cmd.Flags().StringVar(&tail, "tail", "all", "only the last `N` lines")
	return cmd
}

// shellCommand lets an admin look inside.
func (c *call) shellCommand() *cobra.Command {
	return c.inside("shell", "Open a shell in a job's container, or in another of its sandbox",
		"Opens a shell in the job container, or in the container that --role names: sidecar, job,\n"+
			"helper, or service with its name. Without a terminal it reads commands from its stdin. Its\n"+
			"exit code is the shell's. The job's variables, masked ones too, are in its environment.",
		plan.RoleJob, func(ctx context.Context, d *driver.Driver, n driver.Named, p driver.Part) error {
			t := driver.Terminal{In: os.Stdin, Out: c.raw.out, Err: c.raw.err}
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

// onTerminal hands a person's terminal over to the shell, if there is one. restore
// takes it back.
func (c *call) onTerminal(ctx context.Context, t *driver.Terminal) (restore func(), err error) {
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
	sizes := make(chan driver.Size)
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		for {
			if s, err := term.GetWinsize(out); err == nil {
				select {
				case sizes <- driver.Size{Height: uint(s.Height), Width: uint(s.Width)}:
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
