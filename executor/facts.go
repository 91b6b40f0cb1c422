package executor

import (
	"context"
	"strings"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/executor/access"
	"gitlab-dind-executor/executor/payload"
	"gitlab-dind-executor/executor/runnerconfig"
)

// facts are what a plan for no job at hand is made of.
func (c *call) facts(ctx context.Context, d *driver.Driver, s config.Settings) (plan.Facts, error) {
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

// defaultPlan is what a job gets that declares no dind service, or the default
// one.
func (c *call) defaultPlan(ctx context.Context, d *driver.Driver, s config.Settings, version string) (*plan.Plan, error) {
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
