package executor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"gitlab.com/gitlab-org/gitlab-runner/executors/custom/api"
	"golang.org/x/sync/errgroup"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
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
	// sourcesStage leaves the engine time to start the job container beside.
	sourcesStage = "get_sources"
	// maxScript bounds a script; the Runner's are a few kilobytes.
	maxScript = 256 << 20
)

// configHook answers the Runner's config call: JSON on stdout.
func (c *call) configHook(context.Context, []string) error {
	settings, err := config.Load(c.settingsFile)
	if err != nil {
		return err
	}
	owner, err := driver.CallingRunner()
	if err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("this host's name: %w", err)
	}
	name, version, builds, cache, shared := driverName, driver.Version, buildsDir, cacheDir, false
	return json.NewEncoder(c.stdout).Encode(api.ConfigExecOutput{
		Driver:            &api.DriverInfo{Name: &name, Version: &version},
		Hostname:          &host,
		BuildsDir:         &builds,
		CacheDir:          &cache,
		BuildsDirIsShared: &shared,
		JobEnv: &map[string]string{
			envStarted:  time.Now().UTC().Format(time.RFC3339Nano),
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
	owner, err := driver.CallingRunner()
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
	ctx, cancel := context.WithTimeout(ctx, PrepareBound(settings))
	defer cancel()
	if err := d.Await(ctx, c.log.say); err != nil {
		return err
	}

	var facts plan.Facts
	var mirror *plan.MirrorAccess
	g, gctx := errgroup.WithContext(ctx)
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

	// What others left is removed while the daemon boots, or the job waits
	// for room; what that cannot finish in time is left to the next job or to gc.
	sweep, stopSweep := context.WithTimeout(ctx, sweepBound)
	defer stopSweep()
	go func() {
		_, _ = d.Sweep(sweep, began, PrepareBound(settings), false)
		sweepMirrors(sweep, d, settings)
	}()

	if err := d.Admit(ctx, settings.Admission, facts.DataRoot, c.log.say); err != nil {
		return err
	}
	ready, err := d.Prepare(ctx, pl, c.log.say)
	took := time.Since(began) - ready.Services
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
	return s.Admission.Wait.Std() + s.Pull.Timeout.Std() + 2*s.Sidecar.ReadyTimeout.Std() + // again where kept layers are damaged
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
		pem, err := os.ReadFile(r.CAFile)
		if err != nil {
			return nil, fault.System(fmt.Errorf("the CA of registry %s: %w", host, err),
				"name a PEM file that the Runner's user can read in the settings")
		}
		cas[host] = pem
	}
	return cas, nil
}

// runHook runs one stage: args are the script's path and the stage.
func (c *call) runHook(ctx context.Context, args []string) error {
	if err := c.exit.reset(); err != nil {
		return err
	}
	p, err := readPayload(c.env[envPayload])
	if err != nil {
		return err
	}
	script, err := readScript(args[0])
	if err != nil {
		return err
	}
	settings, d, err := c.open()
	if err != nil {
		return err
	}
	defer d.Close()
	// The Runner watches the time; this bound is for one that went away.
	ctx, cancel := context.WithTimeout(ctx, p.timeout()+settings.Cleanup.Grace.Std())
	defer cancel()
	if err := d.Await(ctx, c.log.say); err != nil {
		return err
	}
	return c.runStage(ctx, d, p.key(), args[1], script, settings.Sidecar.ReadyTimeout.Std())
}

// runStage runs a stage's script where it belongs. After a failure it says why,
// if that can be told, and with the last stage what the job has used. bound is
// what the first script waits for the inner daemon at most.
func (c *call) runStage(ctx context.Context, d *driver.Driver, job, stage string, script []byte, bound time.Duration) error {
	end := &tail{}
	// In one stream with the script's output, or the Runner may mix the order.
	log := &jobLog{out: c.stdout, colour: c.log.colour}
	memory := d.WatchMemory(ctx, job)
	var code int
	var err error
	if buildSide(stage) {
		code, err = c.runJob(ctx, d, job, stage, script, bound, end)
	} else {
		used := make(chan string, 1)
		go func() { used <- c.used(ctx, d, job, stage) }()
		code, err = d.RunHelper(ctx, job, stage == sourcesStage, log.toolCheck(stage, c.env), script, io.MultiWriter(c.stdout, end))
		if line := <-used; line != "" && err == nil {
			log.say(line)
		}
	}
	killed := memory.End(ctx, err != nil || code != 0)
	for _, k := range killed {
		log.explain(outOfMemory(k))
	}
	if err != nil {
		return err
	}
	if code == 0 {
		return nil
	}
	if stage == afterScript || len(killed) > 0 {
		return &failedScript{code}
	}
	sidecar := d.Sidecar(ctx, job)
	if buildSide(stage) && sidecar.Stopped() {
		return fault.System(fmt.Errorf("the docker daemon of this job was stopped while its script ran, which then ended with code %d", code),
			"run the job again: often the host's docker engine was restarted, which ends whatever runs there")
	}
	if found, ok := diagnose(end.String(), sidecar); ok {
		log.explain(found)
	}
	return &failedScript{code}
}

// runJob runs a script of the build side, with what the services print between
// if the job asks for it. The script's own output goes to end as well.
func (c *call) runJob(ctx context.Context, d *driver.Driver, job, stage string, script []byte, bound time.Duration, end io.Writer) (int, error) {
	stdout := &shared{out: c.stdout}
	var out io.Writer = stdout
	if debug, err := strconv.ParseBool(c.env[envVariable+"CI_DEBUG_SERVICES"]); err == nil && debug {
		logs := d.FollowServices(ctx, job, stdout, c.log.ofService)
		defer logs.End(ctx)
		out = logs.Out()
	}
	first := stage == "build_script" || stage == "step_script"
	var daemon func(context.Context) error
	if first {
		log := &jobLog{out: stdout, colour: c.log.colour}
		daemon = func(ctx context.Context) error { return awaitDaemon(ctx, d, job, bound, log) }
	}
	return d.RunJob(ctx, job, first, script, daemon, io.MultiWriter(out, end))
}

// shared lets several write, each piece as a whole.
type shared struct {
	mu  sync.Mutex
	out io.Writer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(p)
}

// awaitDaemon lets the first script find a daemon that answers, and says how long
// that took where it was felt.
func awaitDaemon(ctx context.Context, d *driver.Driver, job string, bound time.Duration, log *jobLog) error {
	booted, err := d.AwaitDaemon(ctx, job, bound)
	if err != nil || !booted.Booting {
		return err
	}
	name := strings.TrimSpace("docker " + booted.Docker)
	if booted.Waited < 100*time.Millisecond {
		log.say(name + " ready")
		return nil
	}
	log.say(fmt.Sprintf("%s ready, waited %.1f s for it", name, booted.Waited.Seconds()))
	return nil
}

// used is the closing line of a job: beside its last stage, else "".
func (c *call) used(ctx context.Context, d *driver.Driver, job, stage string) string {
	if stage != lastStage {
		return ""
	}
	u, err := d.Usage(ctx, job)
	if err != nil {
		return "" // the stage itself tells
	}
	return closingLine(u)
}

func readScript(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxScript {
		err = fmt.Errorf("%d bytes", info.Size())
	}
	if err != nil {
		return nil, fmt.Errorf("the stage's script: %w", err)
	}
	script, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the stage's script: %w", err)
	}
	return script, nil
}

// buildSide tells the stages that run in the job container from those of the
// helper.
func buildSide(stage string) bool {
	return stage == "build_script" || stage == afterScript || strings.HasPrefix(stage, "step_")
}

// cleanupHook removes all that the job has. It has a time of its own, prints
// nothing when all is well, and finishes even when it is told to stop.
func (c *call) cleanupHook(ctx context.Context, _ []string) error {
	c.log.colour = false // it goes to the Runner's log
	p, err := readPayload(c.env[envPayload])
	if err != nil {
		return err
	}
	settings, err := config.Load(c.settingsFile)
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
	if err := keepBundle(ctx, d, settings.Bundles, p, c.env, time.Now()); err != nil {
		c.log.warn("nothing is kept of the failed job: " + err.Error())
	}
	rest, err := d.CleanupPatiently(ctx, p.key())
	if caches := err == nil && cachesDue(settings, c.env, time.Now()); rest || caches {
		return c.finishBehind(caches)
	}
	return err
}
