package executor

import (
	"context"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/executor/behind"
	"gitlab-dind-executor/executor/bundle"
	"gitlab-dind-executor/executor/payload"
)

// cleanupHook ends all of a job's containers, and starts their removal behind the hook,
// since the job's status waits for the hook. The hook has a time limit of its own, prints
// nothing when all is well, and finishes even when told to stop.
func (c *call) cleanupHook(ctx context.Context, _ []string) error {
	// The output goes to the Runner's log, which masks nothing.
	c.log.Colour, c.log.Hide = false, c.harmless
	p, err := payload.Read(c.env[envPayload])
	if err != nil {
		return err
	}
	c.concerns(p)
	settings, err := c.load()
	if err != nil {
		settings = config.Default() // a broken file must not keep a job's objects
		c.log.Fail(err)
	}
	d, err := driver.Open(settings.Engine.Host)
	if err != nil {
		return err
	}
	defer d.Close()
	d.Expect(c.exit.containersOf(p.Key())...)
	ctx, cancel := context.WithTimeout(ctx, settings.Cleanup.Timeout.Std())
	defer cancel()
	if err := d.Await(ctx, func(string) {}); err != nil {
		return err
	}
	state := bundleDir(settings.Bundles, c.env)
	if err := bundle.Write(ctx, d, state, settings.Bundles.MaxAge.Std(), p, c.env, c.exit.peak, time.Now()); err != nil {
		c.log.Warn("no bundle of the failed job is written: " + err.Error())
	}
	if err := holdFailed(ctx, d, settings.Cleanup, p, c.env, time.Now()); err != nil {
		c.log.Warn("the failed job's sandbox is not held: " + err.Error())
	}
	next := c.nextPlan(ctx, d, settings, p)
	ended, err := d.End(ctx, p.Key())
	rest := remainder{
		job: p.Key(), sandboxes: ended.Sandboxes || err != nil, layers: ended.Layers,
		caches: !c.alone && behind.CachesDue(settings, state, time.Now()),
	}
	// A try leaves nothing when it ends. Where no process can start, this hook is the only
	// way.
	plan := awaited(next)
	if !c.alone && c.finishBehind(ctx, rest, plan) == nil {
		return err
	}
	if err = c.finish(ctx, settings, d, rest); err == nil {
		c.fillAfter(ctx, plan)
	}
	return err
}
