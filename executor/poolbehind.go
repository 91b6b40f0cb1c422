package executor

import (
	"context"
	"io"
	"net"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/executor/access"
	"gitlab-dind-executor/executor/joblog"
	"gitlab-dind-executor/executor/payload"
	"gitlab-dind-executor/group"
)

// nextPlan is, later, the plan for a sandbox with the layers of this job, which is
// about to end; nil where none is to be made, or it cannot be told.
func (c *call) nextPlan(ctx context.Context, d *driver.Driver, s config.Settings, p *payload.Job) <-chan *plan.Plan {
	next := make(chan *plan.Plan, 1)
	job := payload.ForPlan(p, c.env)
	if usual, _ := plan.Effective(s, job); s.Pool.Size == 0 || usual.Cache.Layers == config.LayersOff || !job.Shares() {
		next <- nil
		return next
	}
	// Whatever is wrong, prepare has told the job of it.
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
			if built, err := plan.Build(s, job, facts); err == nil && built.Sidecar.Layers {
				built.Pool.AfterJob = true
				pl = built
			}
			return nil
		})
		next <- pl
	}()
	return next
}

// nextPatience is how long a cleanup that is done waits for the next plan.
const nextPatience = 100 * time.Millisecond

// fillAfter lets a sandbox be made with the layers of a job that has ended. It is
// no matter of anybody's when that fails: the next job makes its own.
func (c *call) fillAfter(ctx context.Context, next <-chan *plan.Plan) {
	patience := time.NewTimer(nextPatience)
	defer patience.Stop()
	select {
	case p := <-next:
		if p != nil {
			_ = c.fillBehind(ctx, p)
		}
	case <-patience.C:
	}
}

// fillBehind sees to it that another sandbox of the job's kind will wait: by
// systemd's unit, where that listens, or by a process of our own. It is no
// matter of the job's when that fails.
func (c *call) fillBehind(ctx context.Context, p *plan.Plan) error {
	text, err := p.Encode()
	if err != nil {
		return err
	}
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", poolSocket)
	if err != nil {
		return c.behind(text, "pool", "fill", "--from-stdin")
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	_, err = conn.Write(text)
	return err
}
