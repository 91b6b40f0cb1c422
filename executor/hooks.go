package executor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"gitlab.com/gitlab-org/gitlab-runner/executors/custom/api"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/owner"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/group"
)

const (
	driverName = "gitlab-dind-executor"
	// prepareSlack is what prepare may take besides pulls and the boot.
	prepareSlack = 5 * time.Minute
	// sweepBound keeps prepare's own sweep from becoming what a job waits for.
	sweepBound = 30 * time.Second
	// afterScript cannot fail a job; lastStage is the last that the Runner runs.
	afterScript = "after_script"
	lastStage   = "cleanup_file_variables"
	// maxScript bounds a script; the Runner's are a few kilobytes.
	maxScript = 256 << 20
)

// configHook answers the Runner's config call: JSON on stdout.
func (c *call) configHook(context.Context, []string) error {
	settings, err := c.load()
	if err != nil {
		return err
	}
	owner, err := owner.CallingRunner()
	if err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("this host's name: %w", err)
	}
	name, version, builds, cache, shared := driverName, label.Version, buildsDir, cacheDir, false
	return json.NewEncoder(c.stdout).Encode(api.ConfigExecOutput{
		Driver:            &api.DriverInfo{Name: &name, Version: &version},
		Hostname:          &host,
		BuildsDir:         &builds,
		CacheDir:          &cache,
		BuildsDirIsShared: &shared,
		JobEnv: &map[string]string{
			envStarted:  c.env[envStarted],
			envSettings: settings.Digest(),
			envOwner:    owner.String(),
		},
	})
}

// prepareHook makes what the job needs. It may be called again for the same
// job, so it first removes what an earlier attempt left.
func (c *call) prepareHook(ctx context.Context, _ []string) error {
	began := time.Now()
	p, err := readPayload(c.env[envPayload])
	if err != nil {
		return err
	}
	c.concerns(p)
	owner, err := owner.CallingRunner()
	if err != nil {
		return err
	}
	if known := c.env[envOwner]; known != "" && known != owner.String() {
		// This hook has been handed to init or the like, which lives forever: what
		// it made would have an owner that never dies.
		return fault.System(errors.New("the Runner that called this hook has ended"), "")
	}
	settings, d, err := c.open()
	if err != nil {
		return err
	}
	defer d.Close()
	c.log.folds = p.Features.TraceSections
	ctx, cancel := context.WithTimeout(ctx, PrepareBound(settings))
	defer cancel()
	if err := d.Await(ctx, c.log.say); err != nil {
		return err
	}
	c.lap("engine")

	var facts plan.Facts
	var mirror *plan.MirrorAccess
	g, gctx := group.WithContext(ctx)
	g.Go(func() error { return d.Cleanup(gctx, p.key()) })
	g.Go(func() (err error) {
		facts, err = d.Facts(gctx)
		return err
	})
	g.Go(func() error {
		mirror = c.mirror(gctx, d, settings)
		return nil
	})
	if err := g.Wait(); err != nil {
		return err
	}
	facts.Sandbox, facts.Owner, facts.Started = driver.NewSandboxID(), owner.String(), c.started(began)
	facts.Mirror = mirror
	if facts.RegistryCAs, err = registryCAs(settings); err != nil {
		return err
	}
	job := planJob(p, c.env)
	job.Credentials = credentials(ctx, p, c.env, plan.Registries(settings, job), settings.Pull.CredentialHelpers, c.log.warn)
	pl, err := plan.Build(settings, job, facts)
	if err != nil {
		return err
	}
	for _, w := range pl.Warnings {
		c.log.warn(w)
	}
	c.record.Sandbox = facts.Sandbox
	c.lap("plan")

	// What others left is removed while the daemon boots, or the job waits
	// for room; what that cannot finish in time is left to the next job or to gc.
	defer func() { c.record.Left = d.Noted() }()
	sweep, stopSweep := context.WithTimeout(ctx, sweepBound)
	defer stopSweep()
	go func() {
		_ = group.Guard(func() error { // no fault of a sweep is the job's
			verdicts, _ := d.Sweep(sweep, began, PrepareBound(settings), false)
			c.swept.Add(int64(leaked(verdicts)))
			sweepMirrors(sweep, d, settings)
			c.freeBehind(d)
			return nil
		})
	}()

	if err := d.Admit(ctx, settings.Admission, facts.DataRoot, c.log.say); err != nil {
		return err
	}
	c.freeBehind(d)
	c.lap("room")
	ready, err := d.Prepare(ctx, pl, c.log.say)
	took := time.Since(began) - ready.Services
	c.lap("sandbox")
	c.prepared(settings, ready, err)
	c.log.images(ready.Images)
	for _, w := range ready.Warnings {
		c.log.warn(w)
	}
	if err != nil {
		return err
	}
	name := "docker"
	if ready.Docker != "" {
		name += " " + ready.Docker
	}
	if ready.Booting {
		c.log.say(name + " is booting (" + origin(ready) + ")")
	} else {
		c.log.say(fmt.Sprintf("%s ready in %.1f s (%s)", name, took.Seconds(), origin(ready)))
	}
	if ready.Services > 50*time.Millisecond {
		c.log.say(fmt.Sprintf("waited %.1f s more for services", ready.Services.Seconds()))
	}
	c.fetchBehind(ready.Newer)
	if pl.Job.Early || ready.Warm {
		// No matter of the job's: its first script starts what does not run.
		_ = c.behind(nil, "settle", job.Key, fmt.Sprintf("--start=%t", pl.Job.Early), fmt.Sprintf("--used=%t", ready.Warm))
	}
	if settings.Pool.Size > 0 {
		if err := c.fillBehind(ctx, pl); err != nil {
			c.log.warn("no sandbox is made ahead for the next job: " + err.Error())
		}
	}
	return nil
}

// origin says where a job's daemon comes from.
func origin(r driver.Ready) string {
	switch {
	case r.Warm:
		return "warm"
	case r.Cold != "":
		return "cold: " + r.Cold
	}
	return "cold"
}

// PrepareBound is how long a prepare may take.
func PrepareBound(s config.Settings) time.Duration {
	return s.Admission.Wait.Std() + s.Pull.Timeout.Std() + 2*s.Sidecar.ReadyTimeout.Std() + // again where cached layers are damaged
		s.Services.ReadyTimeout.Std() + prepareSlack
}

// started is when the config hook ran; without one it is now.
func (c *call) started(now time.Time) time.Time {
	t, err := time.Parse(time.RFC3339Nano, c.env[envStarted])
	if err != nil || t.After(now) {
		return now
	}
	return t
}

// registryCAs reads the CAs that the settings name.
func registryCAs(s config.Settings) (map[string][]byte, error) {
	cas := map[string][]byte{}
	for host, r := range s.Registry {
		if r.CAFile == "" {
			continue
		}
		pem, err := readCA(host, r.CAFile)
		if err != nil {
			return nil, err
		}
		cas[host] = pem
	}
	return cas, nil
}

// cleanupHook removes all that the job has. It has a time of its own, prints
// nothing when all is well, and finishes even when it is told to stop.
func (c *call) cleanupHook(ctx context.Context, _ []string) error {
	// It goes to the Runner's log, which masks nothing.
	c.log.colour, c.log.hide = false, c.harmless
	p, err := readPayload(c.env[envPayload])
	if err != nil {
		return err
	}
	c.concerns(p)
	settings, err := c.load()
	if err != nil {
		settings = config.Default() // a broken file must not keep a job's objects
		c.log.fail(err)
	}
	d, err := driver.Open(settings.Engine.Host)
	if err != nil {
		return err
	}
	defer d.Close()
	ctx, cancel := context.WithTimeout(ctx, settings.Cleanup.Timeout.Std())
	defer cancel()
	if err := d.Await(ctx, func(string) {}); err != nil {
		return err
	}
	if err := writeBundle(ctx, d, settings.Bundles, p, c.env, time.Now()); err != nil {
		c.log.warn("no bundle of the failed job is written: " + err.Error())
	}
	if err := holdFailed(ctx, d, settings.Cleanup, p, c.env, time.Now()); err != nil {
		c.log.warn("the failed job's sandbox is not held: " + err.Error())
	}
	next := c.nextPlan(ctx, d, settings, p)
	rest, err := d.CleanupPatiently(ctx, p.key())
	if err == nil {
		c.fillAfter(ctx, next)
	}
	c.record.Left = d.Noted()
	if caches := err == nil && cachesDue(settings, c.env, time.Now()); rest || caches || d.Noted() > 0 {
		return errors.Join(err, c.finishBehind(caches))
	}
	return err
}
