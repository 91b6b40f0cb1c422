package executor

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/executor/access"
	"gitlab-dind-executor/executor/progress"
	"gitlab-dind-executor/executor/runnerconfig"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/wary"
)

// prepullCommand fetches the images of the settings ahead of the jobs.
func (c *call) prepullCommand() *cobra.Command {
	var version string
	cmd := &cobra.Command{
		Use:   "prepull",
		Short: "Fetch the images that the settings name, so that no job waits for them",
		Long: "Fetches the images of sidecar, job, helper and mirror, those of policies, and those of\n" +
			"pull.prepull. An image that is already here is renewed if the registry has a newer one.\n" +
			"Credentials come from the user's own docker configuration. If an image cannot be\n" +
			"fetched, the exit code is not 0.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, d, err := c.open()
			if err != nil {
				return err
			}
			defer d.Close()
			return c.prepull(cmd.Context(), s, d, version)
		},
	}
	cmd.Flags().StringVar(&version, "runner-version", "", "the `VERSION` of GitLab Runner, for helper.image (default: that of the gitlab-runner on this host)")
	return cmd
}

func (c *call) prepull(ctx context.Context, s config.Settings, d *driver.Driver, version string) error {
	failed := 0
	fail := func(err error) {
		failed++
		c.log.Fail(err)
	}
	arch, err := d.Arch(ctx)
	if err != nil {
		return err
	}
	if version == "" && strings.Contains(s.Helper.Image, "{version}") {
		if version, err = runnerconfig.Version(ctx, s.Helper.RunnerBinary); err != nil {
			fail(err)
			s.Helper.Image = ""
		}
	}
	names := plan.Prepull(s, version, arch)
	creds := access.OfUser(ctx, c.env, plan.Hosts(names), c.log.Warn)
	total := len(names) + failed
	show, done := c.showing(len(names))
	defer done()
	for _, name := range names {
		show.Begin(name)
		ref, err := plan.PrepullRef(name, creds)
		if err != nil {
			fail(err)
			continue
		}
		fetched, err := d.Prepull(ctx, ref, s.Pull.Timeout.Std(), s.Pull.Attempts, driver.Telling{Say: c.log.Say, Bytes: show.Telling()})
		switch {
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			c.record.FailedPulls++
			fail(access.ForAdmin(err))
		case fetched:
			c.record.Pulls++
			fmt.Fprintf(c.stdout, "fetched %s\n", ref.Name)
		default:
			fmt.Fprintf(c.stdout, "%s was there\n", ref.Name)
		}
	}
	if failed > 0 {
		return fault.System(fmt.Errorf("%d of %d images could not be fetched", failed, total), "")
	}
	return nil
}

// showing puts a bar for work of so many steps below the lines of this call, if a person
// looks on. done takes the bar away.
func (c *call) showing(steps int) (show *progress.Show, done func()) {
	show = progress.New(c.raw.out, c.raw.err, steps, progress.Terminal(c.raw.err, c.env["TERM"]))
	stdout, log := c.stdout, c.log.Out
	c.stdout, c.log.Out = wary.Writer(show.Out()), show.Err()
	return show, func() {
		show.End()
		c.stdout, c.log.Out = stdout, log
	}
}
