package executor

import (
	"context"
	"io"
	"strings"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/executor/access"
	"gitlab-dind-executor/executor/joblog"
	"gitlab-dind-executor/executor/payload"
	"gitlab-dind-executor/executor/runnerconfig"
	"gitlab-dind-executor/group"
)

// facts returns the facts for a plan without a job at hand.
func (c *call) facts(ctx context.Context, d planner, s config.Settings) (plan.Facts, error) {
	facts, err := d.Facts(ctx)
	if err != nil {
		return plan.Facts{}, err
	}
	if facts.RegistryCAs, err = access.RegistryCAs(s); err != nil {
		return plan.Facts{}, err
	}
	facts.Mirror = c.mirror(ctx, d, s)
	return facts, nil
}

// defaultPlan plans the sandbox of a job without a dind service, or with the default
// service.
func (c *call) defaultPlan(ctx context.Context, d planner, s config.Settings, version string) (*plan.Plan, error) {
	if version == "" && strings.Contains(s.Helper.Image, "{version}") {
		var err error
		if version, err = runnerconfig.Version(ctx, s.Helper.RunnerBinary); err != nil {
			return nil, err
		}
	}
	facts, err := c.facts(ctx, d, s)
	if err != nil {
		return nil, err
	}
	job := plan.Job{Timeout: s.Pool.JobTimeout.Std(), BuildsDir: payload.BuildsDir, CacheDir: payload.CacheDir, RunnerVersion: version, Protection: plan.Unprotected}
	p, err := plan.Build(s, job, facts)
	if err != nil {
		return nil, err
	}
	return p.Ahead(), nil
}

// nextPlan sends the plan for a sandbox with the layers of this job, which is about to end.
// nil stands for no such sandbox, or for an error.
func (c *call) nextPlan(ctx context.Context, d planner, s config.Settings, p *payload.Job) <-chan *plan.Plan {
	next := make(chan *plan.Plan, 1)
	job := payload.ForPlan(p, c.env)
	if usual, _ := plan.Effective(s, job); s.Pool.Size == 0 || usual.Cache.Layers == config.LayersOff || !job.Shares() {
		next <- nil
		return next
	}
	// The log stays silent: prepare has told the job of any fault.
	quiet := &call{env: c.env, settingsFile: c.settingsFile, log: &joblog.Log{Out: io.Discard}}
	go func() {
		var pl *plan.Plan
		_ = group.Guard(func() error {
			facts, err := quiet.facts(ctx, d, s)
			if err != nil {
				return err
			}
			facts.Started = time.Now()
			job.Credentials = access.Credentials(ctx, p, c.env, plan.Registries(s, job), s.Pull.CredentialHelpers, quiet.log.Warn)
			if built, err := plan.Build(s, job, facts); err == nil && built.Sidecar.Layers && built.MayWait() {
				built.Pool.AfterJob = true
				pl = built
			}
			return nil
		})
		next <- pl
	}()
	return next
}
