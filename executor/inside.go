package executor

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

const (
	// findBound bounds the search for a sandbox, completeBound the wait of an admin who
	// presses Tab.
	findBound     = 10 * time.Second
	completeBound = 2 * time.Second
)

// parts are the roles that an admin may name.
var parts = []plan.Role{plan.RoleSidecar, plan.RoleJob, plan.RoleHelper, plan.RoleService}

// partOf reads the arguments behind a sandbox or job: a role and, for a service, a name.
func partOf(role string, args []string) (looking.Part, error) {
	p := looking.Part{Role: plan.Role(role)}
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

// inside makes a command about a container of a sandbox.
func (c *call) inside(use, short, long string, role plan.Role, run func(context.Context, viewer, looking.Named, looking.Part) error) *cobra.Command {
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
	_ = cmd.RegisterFlagCompletionFunc("role", cobra.FixedCompletions(strings.Split(roles(), ", "), cobra.ShellCompDirectiveNoFileComp)) // it is there
	return cmd
}

// completeSandboxes offers the ids of sandboxes and jobs to a shell.
func (c *call) completeSandboxes(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if _, d, err := c.open(); err == nil && len(args) == 0 {
		defer d.Close()
		ctx, cancel := context.WithTimeout(cmd.Context(), completeBound)
		defer cancel()
		all, _ := d.Named(ctx) // no suggestions after an error
		for _, n := range all {
			names = append(names, n.Sandbox)
			if n.Job != "" {
				names = append(names, path.Base(n.Job))
			}
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
