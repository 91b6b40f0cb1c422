package executor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/driver/removal"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/wary"
)

// drainEvery is the pause between two looks. Only tests change the variable.
var drainEvery = 2 * time.Second

// drainCommand waits until no job is left, and refuses no job. The Runner has promised each
// of its jobs to GitLab, and GitLab starts a job refused by a hook nowhere else. Only the
// Runner can keep new jobs away.
func (c *call) drainCommand() *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "drain",
		Short: "Wait until no job is left, and remove what waits for jobs",
		Long: "Waits until no job has a sandbox on the engine, removes the sandboxes that wait for jobs,\n" +
			"and says what it waits for. It keeps no job from coming: pause the runner in GitLab\n" +
			"before, or stop gitlab-runner so that it ends with its last job (SIGQUIT). An upgrade of\n" +
			"this program needs no draining; a reboot, another release of the engine and a removal do.",
		Args: cobra.NoArgs,
		RunE: c.untilTold(func(ctx context.Context, s config.Settings, d *driver.Driver) error {
			return c.drain(ctx, d, s, timeout)
		}),
	}
	cmd.Flags().DurationVar(&timeout, "timeout", time.Hour, "fail when jobs are left after this `DURATION`; 0s only looks")
	return cmd
}

func (c *call) drain(ctx context.Context, d pooler, s config.Settings, timeout time.Duration) error {
	end := time.Now().Add(timeout)
	said := ""
	tick := time.NewTicker(drainEvery)
	defer tick.Stop()
	for {
		left, err := c.drainOnce(ctx, d, s)
		if err != nil {
			return err
		}
		if len(left) == 0 {
			fmt.Fprintln(c.stdout, "no job is left")
			return nil
		}
		list := strings.Join(left, ", ")
		if !time.Now().Before(end) {
			return fault.System(fmt.Errorf("after %s there is still %s", timeout, list),
				"give a longer --timeout; if new jobs keep coming, pause the runner in GitLab or stop gitlab-runner with SIGQUIT")
		}
		if list != said {
			fmt.Fprintf(c.stdout, "waiting for %s\n", list)
			said = list
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// drainOnce removes all sandboxes without a job, and names the others.
func (c *call) drainOnce(ctx context.Context, d pooler, s config.Settings) (left []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, gcBound)
	defer cancel()
	now := time.Now()
	_, sweepErr := d.Sweep(ctx, now, s.PrepareBound(), false)
	removed, drainErr := d.Drain(ctx)
	if removed > 0 {
		fmt.Fprintf(c.stdout, "removed %d sandboxes that waited for jobs\n", removed)
	}
	if err := errors.Join(removal.ButStuck(sweepErr), removal.ButStuck(drainErr)); err != nil {
		return nil, err
	}
	all, err := d.Sandboxes(ctx, now, s.PrepareBound())
	return undrained(all), err
}

// undrained names the sandboxes that a drain waits for. Held sandboxes are left out: their
// jobs are over.
func undrained(all []looking.SandboxStatus) []string {
	var left []string
	for _, one := range all {
		if one.State == looking.Held {
			continue
		}
		name := "job " + wary.Line(one.Job)
		switch {
		case one.Job == "":
			name = "sandbox " + wary.Line(one.Sandbox)
		case one.Project != "":
			name += " of " + wary.Line(one.Project)
		}
		left = append(left, fmt.Sprintf("%s (%s)", name, one.State))
	}
	return left
}
