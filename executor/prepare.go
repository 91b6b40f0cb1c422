package executor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/owner"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/executor/access"
	"gitlab-dind-executor/executor/behind"
	"gitlab-dind-executor/executor/featureflags"
	"gitlab-dind-executor/executor/joblog"
	"gitlab-dind-executor/executor/payload"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/group"
)

// sweepBound bounds prepare's own sweep: the job waits for the sweep's end.
const sweepBound = 30 * time.Second

// prepareHook makes a job's sandbox. The Runner may call the hook again for the same job,
// so the hook first removes the objects of an earlier attempt.
func (c *call) prepareHook(ctx context.Context, _ []string) error {
	began := time.Now()
	p, runner, err := c.whose()
	if err != nil {
		return err
	}
	if err := p.Unfit(); err != nil {
		return err
	}
	settings, d, err := c.open()
	if err != nil {
		return err
	}
	defer d.Close()
	if settings.Pool.Size > 0 {
		defer d.Begins()() // until the process that fills the pool behind this job has the lock, too
	}
	c.log.Folds = p.Features.TraceSections
	ctx, cancel := context.WithTimeout(ctx, settings.PrepareBound())
	defer cancel()
	if err := d.Await(ctx, c.log.Say); err != nil {
		return err
	}
	c.lap("engine")
	facts, err := c.beginAnew(ctx, d, settings, p)
	if err != nil {
		return err
	}
	facts.Sandbox, facts.Owner, facts.Started = label.NewSandboxID(), runner, c.started(began)
	pl, err := c.planFor(ctx, settings, p, facts)
	if err != nil {
		return err
	}
	c.tellFlags()
	c.record.Sandbox = facts.Sandbox
	c.lap("plan")
	defer func() { c.record.Left = d.Noted() }()
	defer c.sweepBeside(ctx, d, settings, began)()
	admit := d.Admit
	if c.alone {
		admit = d.AwaitRoom // leftovers of other jobs stay
	}
	if err := admit(ctx, pl.Admission(settings.Admission), facts.DataRoot, c.log.Say); err != nil {
		return err
	}
	c.freeBehind(d)
	c.lap("room")
	ready, err := d.Prepare(ctx, pl, c.log.Say)
	took := time.Since(began) - ready.Services
	c.lap("sandbox")
	c.prepared(settings, ready, err)
	c.log.Images(ready.Images)
	for _, w := range ready.Warnings {
		c.log.Warn(w)
	}
	if err != nil {
		return err
	}
	_ = c.exit.noteContainers(p.Key(), ready.Containers) // the other hooks find them by their labels, too
	c.tellReady(ready, took)
	c.goOnBehind(ctx, pl, ready)
	return nil
}

// whose reads the job, and finds the Runner that calls.
func (c *call) whose() (p *payload.Job, runner string, err error) {
	p, err = payload.Read(c.env[envPayload])
	if err != nil {
		return nil, "", err
	}
	c.concerns(p)
	calling, err := owner.CallingRunner()
	if err != nil {
		return nil, "", err
	}
	runner = calling.String()
	if known := c.env[envOwner]; known != "" && known != runner {
		// The kernel has handed this hook to init or the like, which lives forever. The
		// job's objects would have an owner that never dies.
		return nil, "", fault.System(errors.New("the Runner that called this hook has ended"), "")
	}
	return p, runner, nil
}

// beginAnew removes the objects of an earlier attempt and, meanwhile, learns the facts of
// the host for the plan.
func (c *call) beginAnew(ctx context.Context, d preparer, s config.Settings, p *payload.Job) (facts plan.Facts, err error) {
	var mirror *plan.MirrorAccess
	g, gctx := group.WithContext(ctx)
	g.Go(func() error { return d.BeginAnew(gctx, p.Key()) })
	g.Go(func() (err error) {
		facts, err = d.Facts(gctx)
		return err
	})
	g.Go(func() error {
		mirror = c.mirror(gctx, d, s)
		return nil
	})
	if err := g.Wait(); err != nil {
		return plan.Facts{}, err
	}
	facts.Mirror = mirror
	facts.RegistryCAs, err = access.RegistryCAs(s)
	return facts, err
}

// planFor plans the job's sandbox, and logs notes about odd points.
func (c *call) planFor(ctx context.Context, s config.Settings, p *payload.Job, facts plan.Facts) (*plan.Plan, error) {
	job := payload.ForPlan(p, c.env)
	job.Credentials = access.Credentials(ctx, p, c.env, plan.Registries(s, job), s.Pull.CredentialHelpers, c.log.Warn)
	pl, err := plan.Build(s, job, facts)
	if err != nil {
		return nil, err
	}
	for _, n := range pl.Notes {
		c.log.Say(n)
	}
	for _, w := range pl.Warnings {
		c.log.Warn(w)
	}
	return pl, nil
}

// sweepBeside removes leftovers of other jobs while the daemon boots or the job waits for
// room. stop ends the sweep, and the next job or gc goes on. With many sandboxes, not each
// job sweeps.
func (c *call) sweepBeside(ctx context.Context, d preparer, s config.Settings, began time.Time) (stop func()) {
	state := bundleDir(s.Bundles, c.env)
	if c.alone || !behind.SweepDue(state, began) {
		return func() {}
	}
	ctx, cancel := context.WithTimeout(ctx, sweepBound)
	var notes sync.Mutex // held while the sweep's results are written
	go func() {
		_ = group.Guard(func() error { // no fault of a sweep is the job's
			verdicts, err := d.Sweep(ctx, began, s.PrepareBound(), false)
			c.swept.Add(int64(leaked(verdicts)))
			notes.Lock()
			defer notes.Unlock()
			if ctx.Err() != nil {
				return err
			}
			if err == nil {
				behind.Swept(state, len(verdicts))
			}
			sweepMirrors(ctx, d, s)
			c.freeBehind(d)
			return nil
		})
	}()
	return func() {
		cancel()
		notes.Lock()
		defer notes.Unlock()
	}
}

// tellReady logs the job's daemon.
func (c *call) tellReady(r driver.Ready, took time.Duration) {
	d := joblog.Daemon{Version: r.Docker, Warm: r.Warm, Cold: r.Cold}
	if r.Booting {
		c.log.Say(d.Starting())
	} else {
		c.log.Say(d.Ready(took))
	}
	if r.Services > 50*time.Millisecond {
		c.log.Say(joblog.ServicesReady(r.Services))
	}
}

// goOnBehind starts work that the job need not wait for: newer images, the rest of the
// claim, and a sandbox for the next job.
func (c *call) goOnBehind(ctx context.Context, pl *plan.Plan, r driver.Ready) {
	if !c.alone {
		c.fetchBehind(r.Newer)
	}
	if pl.Job.Early || r.Warm {
		// A failure is no matter of the job's: the first script starts a container that
		// does not run.
		_ = c.behind(nil, "settle", pl.Claim.Job, fmt.Sprintf("--start=%t", pl.Job.Early), fmt.Sprintf("--used=%t", r.Warm), "--containers="+strings.Join(r.Containers, ","))
	}
	if pl.MayFill() {
		pl.Pool.Behind = pl.Claim.Job
		if err := c.fillBehind(ctx, pl); err != nil {
			c.log.Warn("no sandbox is made ahead for the next job: " + err.Error())
		}
	}
}

// started returns the time of the config hook, or now where no time is known.
func (c *call) started(now time.Time) time.Time {
	t, err := time.Parse(time.RFC3339Nano, c.env[envStarted])
	if err != nil || t.After(now) {
		return now
	}
	return t
}

// tellFlags logs feature flags of the job that the docker executor would heed and that
// change nothing here.
func (c *call) tellFlags() {
	for _, f := range featureflags.Missed(c.env.Variable) {
		c.log.Say(f.Name + " changes nothing here: " + f.Text)
	}
}
