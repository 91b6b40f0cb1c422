package executor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/driver/removal"
	"gitlab-dind-executor/executor/notice"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/wary"
)

// drainEvery is the pause between two looks. Only tests change the variable.
var drainEvery = 2 * time.Second

// drainCommand waits until no job is left, and refuses no job. The Runner has promised each
// of its jobs to GitLab, and GitLab starts a job refused by a hook nowhere else. Only the
// Runner can keep new jobs away.
func (c *call) drainCommand() *cobra.Command {
	var timeout config.Duration
	var away departure
	cmd := &cobra.Command{
		Use:   "drain",
		Short: "Wait until no job is left, then empty the pool",
		Long: "Waits until no job has a sandbox on the engine, and says which jobs it waits for. Then\n" +
			"it removes the sandboxes of the pool.\n\n" +
			"Draining keeps no new job away. Pause the runner in GitLab first, or stop gitlab-runner\n" +
			"with SIGQUIT, which lets running jobs end. Drain a host before a reboot, before another\n" +
			"release of the engine, and before you remove this program. An upgrade of this program\n" +
			"needs no draining.\n\n" +
			"With --on-notice it first waits until AWS, Google Cloud or Azure takes this host away, and\n" +
			"stops the Runner then. Shortly before the host goes, jobs that are left are ended, so that\n" +
			"GitLab can retry them on another host.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, os.Interrupt)
			defer stop()
			drain := func(ctx context.Context, timeout time.Duration) error {
				s, d, err := c.open()
				if err != nil {
					return err
				}
				defer d.Close()
				return c.drain(ctx, d, s, timeout)
			}
			if away.onNotice {
				return c.leave(ctx, away, timeout.Std(), drain)
			}
			return drain(ctx, timeout.Std())
		},
	}
	cmd.Flags().TextVar(&timeout, "timeout", config.Duration(time.Hour), "fail when jobs are left after this `DURATION`; 0s only looks")
	cmd.Flags().BoolVar(&away.onNotice, "on-notice", false, "begin when the cloud takes this host away")
	cmd.Flags().BoolVar(&away.rebalance, "rebalance", false, "with --on-notice, begin when AWS recommends to rebalance, too")
	cmd.Flags().StringVar(&away.runner, "runner-unit", "gitlab-runner.service", "with --on-notice, stop this `UNIT` first")
	return cmd
}

// departure is the way in which a host goes.
type departure struct {
	onNotice, rebalance bool
	// runner is the Runner's unit.
	runner string
}

const (
	// envMetadata names another metadata service, for tests.
	envMetadata = "GITLAB_DIND_EXECUTOR_METADATA"
	// lastWords is the Runner's time to end jobs and report to GitLab before a host goes.
	lastWords = 20 * time.Second
)

// Only tests change these variables.
var (
	// noticeEvery is the pause between two questions, and behind a look that failed.
	noticeEvery = 5 * time.Second
	// lastLook bounds the look at jobs that reaches into the time of lastWords, since an
	// engine may be stuck.
	lastLook = 10 * time.Second
)

// leave waits for the cloud's notice, and empties the host then. A command that is told to
// end has done what it was asked.
func (c *call) leave(ctx context.Context, away departure, timeout time.Duration, drain func(context.Context, time.Duration) error) error {
	runner := notice.Runner(away.runner)
	if err := runner.Graceful(ctx); err != nil {
		return err
	}
	w := notice.Watch{
		Base: cmp.Or(os.Getenv(envMetadata), notice.LinkLocal), Every: noticeEvery, SearchEvery: time.Minute,
		Ahead: max(timeout, time.Hour) + lastWords, Rebalance: away.rebalance,
		Say: func(line string) { fmt.Fprintln(c.stdout, line) },
	}
	n, err := w.Wait(ctx)
	switch {
	case errors.Is(err, context.Canceled):
		return nil
	case err != nil:
		return err
	}
	fmt.Fprintln(c.stdout, n)
	err = c.depart(ctx, n, runner, timeout, drain)
	if err != nil && ctx.Err() != nil {
		fmt.Fprintln(c.stdout, "told to end; jobs that are left go on")
		return nil
	}
	return err
}

// depart stops the Runner and drains, and ends the jobs that are left shortly before the
// host goes.
func (c *call) depart(ctx context.Context, n notice.Notice, runner notice.Runner, timeout time.Duration, drain func(context.Context, time.Duration) error) error {
	if err := runner.Stop(ctx); err != nil {
		return err
	}
	for {
		bound, short := untilGone(n.At, time.Now(), timeout)
		if !short {
			return drain(ctx, bound)
		}
		bounded, cancel := context.WithTimeout(ctx, bound+lastLook)
		err := drain(bounded, bound)
		cancel()
		left := time.Until(n.At) - lastWords
		switch {
		case err == nil || ctx.Err() != nil:
			return err
		case left <= 0:
			fmt.Fprintln(c.stdout, "the host goes: jobs that are left end now")
			return errors.Join(err, runner.End(ctx))
		}
		// A look has failed, and says nothing of the jobs. They keep their time.
		c.log.Fail(err)
		select {
		case <-time.After(min(left, noticeEvery)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// untilGone bounds a drain on a host that goes at a time. short tells whether this time is
// the bound.
func untilGone(at, now time.Time, timeout time.Duration) (bound time.Duration, short bool) {
	left := at.Sub(now) - lastWords
	if at.IsZero() || left >= timeout {
		return timeout, false
	}
	return max(0, left), true
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
			return fault.System(fmt.Errorf("after %s there is still %s", config.Duration(timeout), list),
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
