package executor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/executor/joblog"
	"gitlab-dind-executor/executor/payload"
)

// holdFailed holds the sandbox of a failed job for a look inside, if the settings say so.
// The job's status comes from a variable that a pipeline can set, too. A false status gains
// the pipeline nothing but a hold on its own sandbox.
func holdFailed(ctx context.Context, d *driver.Driver, s config.Cleanup, p *payload.Job, env payload.Environment, now time.Time) error {
	if s.HoldFailed <= 0 || env.Variable("CI_JOB_STATUS") != "failed" {
		return nil
	}
	_, err := d.Hold(ctx, p.Key(), now.Add(s.HoldFailed.Std()))
	return err
}

// tellHeld follows a stage that fails its job, and tells how to look inside later. cleanup
// could not: its output goes to the Runner's log.
func (c *call) tellHeld(s config.Cleanup, p *payload.Job, stage string, err error) {
	if err == nil || s.HoldFailed <= 0 || stage == afterScript || errors.Is(err, context.Canceled) {
		return
	}
	log := &joblog.Log{Out: c.raw.out, Colour: c.log.Colour}
	log.Say(fmt.Sprintf("held for %s, for the runner's admin to look inside: gitlab-dind-executor shell %d",
		s.HoldFailed, p.ID))
}
