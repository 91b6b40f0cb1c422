package executor

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/stages"
	"gitlab-dind-executor/executor/diagnosis"
	"gitlab-dind-executor/executor/featureflags"
	"gitlab-dind-executor/executor/joblog"
	"gitlab-dind-executor/executor/payload"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/hostfile"
)

const (
	// afterScript cannot fail a job. lastStage is the Runner's last stage.
	afterScript = "after_script"
	lastStage   = "cleanup_file_variables"
	// maxScript bounds a script, in bytes; the Runner's are a few kilobytes.
	maxScript = 256 << 20
)

// runHook runs one stage: args are the script's path and the stage.
func (c *call) runHook(ctx context.Context, args []string) error {
	if err := c.exit.reset(); err != nil {
		return err
	}
	p, err := payload.Read(c.env[envPayload])
	if err != nil {
		return err
	}
	c.concerns(p)
	script, err := readScript(args[0])
	if err != nil {
		return err
	}
	settings, d, err := c.open()
	if err != nil {
		return err
	}
	defer d.Close()
	d.Expect(c.exit.containersOf(p.Key())...)
	// The Runner watches the time; this bound is for a Runner that has gone away.
	ctx, cancel := context.WithTimeout(ctx, p.Timeout()+settings.Cleanup.Grace.Std())
	defer cancel()
	if err := d.Await(ctx, c.log.Say); err != nil {
		return err
	}
	err = c.runStage(ctx, d, p.Key(), args[1], script, settings.Sidecar.ReadyTimeout.Std())
	c.tellHeld(settings.Cleanup, p, args[1], err)
	return err
}

// runStage runs a stage's script in its container. After a failure it logs the reason, if
// known. With the last stage it logs the job's use of resources. bound is the longest wait
// of the first script for the inner daemon.
func (c *call) runStage(ctx context.Context, d stager, job, stage string, script []byte, bound time.Duration) error {
	end := &diagnosis.Tail{}
	// In one stream with the script's output, or the Runner may mix the order.
	log := &joblog.Log{Out: c.raw.out, Colour: c.log.Colour}
	watch := d.WatchStage(ctx, job)
	defer watch.Close()
	var code int
	var err error
	if buildSide(stage) {
		code, err = c.runJob(ctx, d, job, stage, script, bound, end)
	} else {
		used := make(chan string, 1)
		go func() { used <- c.used(ctx, d, job, stage) }()
		if c.flagged(featureflags.DisableUmask) {
			script = plan.OwnUmask(script)
		}
		code, err = d.RunHelper(ctx, job, log.ToolCheck(stage, c.env.RunnerVersion()), script, c.raw.out)
		if line := <-used; line != "" && err == nil {
			log.Say(line)
		}
	}
	var killed []stages.OutOfMemory
	if err != nil || code != 0 {
		killed = watch.OutOfMemory(ctx)
	}
	for _, k := range killed {
		d := diagnosis.OutOfMemory(k)
		log.Explain(d.Line, d.Hint)
	}
	if err != nil {
		return err
	}
	if code == 0 {
		return nil
	}
	// after_script fails no job, and the helper calls no docker.
	if !buildSide(stage) || stage == afterScript || len(killed) > 0 {
		return &failedScript{code}
	}
	for _, e := range d.EndedServices(ctx, job) {
		log.EndedService(e, c.showsServices())
	}
	sidecar, ending := d.Sidecar(ctx, job), stages.EndingUnknown
	if sidecar.Known && !sidecar.Running {
		ending = watch.SidecarEnding(ctx)
	}
	if ending == stages.EndedFromOutside && !sidecar.OutOfMemory {
		return fault.System(fmt.Errorf("the docker daemon of this job was stopped from outside while its script ran, which then ended with code %d", code),
			"run the job again: often the host's docker engine was restarted, which ends whatever runs there")
	}
	if d, ok := diagnosis.Of(diagnosis.Failure{Output: end.String(), Sidecar: sidecar, Ending: ending}); ok {
		log.Explain(d.Line, d.Hint)
	}
	return &failedScript{code}
}

// runJob runs a script of the build side. If the job asks, the services' output appears
// between the script's. The script's own output goes to end as well.
func (c *call) runJob(ctx context.Context, d stager, job, stage string, script []byte, bound time.Duration, end io.Writer) (code int, err error) {
	stdout := &shared{out: c.raw.out}
	var out io.Writer = stdout
	if c.showsServices() {
		logs := d.FollowServices(ctx, job, stdout, c.log.OfService)
		defer logs.End(ctx)
		out = logs.Out()
	}
	first := stage == "build_script" || stage == "step_script"
	running := ctx
	var gate func(context.Context) error
	ways := stages.Ways{First: first, SignalFirst: c.flagged(featureflags.NativeStop)}
	if first {
		log := &joblog.Log{Out: stdout, Colour: c.log.Colour}
		if c.flagged(featureflags.DisableUmask) {
			ways.Give, ways.Told = plan.Owned(payload.BuildsDir, c.env.Variable("CI_PROJECT_DIR")), log.Say
			if len(ways.Give) == 0 {
				log.Say("the job's files are not given to its user: CI_PROJECT_DIR is not below " + payload.BuildsDir)
			}
		}
		b, besideBoot := beginBoot(ctx, log.Say, func(ctx context.Context, queues func()) (driver.Booted, error) {
			given := plan.GivenBy(payload.ForPlan(c.payload, c.env).Services)
			return d.AwaitDaemon(ctx, job, bound, given, queues, log.Say)
		})
		defer func() {
			code, err = b.settle(ctx, code, err)
			if b.opened {
				c.awaited(b.booted.Docker, b.waited)
			}
		}()
		running, gate = besideBoot, b.open
	}
	memory := d.WatchMemory(ctx, job)
	defer func() { // no matter of the job's
		_ = c.exit.notePeak(job, memory.End())
		_ = c.exit.noteTraffic(job, memory.Last())
	}()
	return d.RunJob(running, job, ways, script, gate, io.MultiWriter(out, end))
}

// showsServices tells whether the job log gets the services' output.
func (c *call) showsServices() bool {
	debug, err := strconv.ParseBool(c.env.Variable("CI_DEBUG_SERVICES"))
	return err == nil && debug
}

// shared lets several goroutines write, each piece as a whole.
type shared struct {
	mu  sync.Mutex
	out io.Writer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(p)
}

// used returns the closing line of a job in its last stage, else "".
func (c *call) used(ctx context.Context, d stager, job, stage string) string {
	if stage != lastStage {
		return ""
	}
	u, err := d.Usage(ctx, job, c.exit.traffic(job))
	if err != nil {
		return "" // the stage itself tells
	}
	u.PeakMemory = c.exit.peak(job, u.Memory)
	c.noteUsed(u)
	return joblog.ClosingLine(u)
}

func readScript(path string) ([]byte, error) {
	script, err := hostfile.ReadNamed(path, maxScript)
	if err != nil {
		return nil, fmt.Errorf("the stage's script: %w", err)
	}
	return script, nil
}

// buildSide tells stages of the job container from stages of the helper.
func buildSide(stage string) bool {
	return stage == "build_script" || stage == afterScript || strings.HasPrefix(stage, "step_")
}

// flagged tells whether a feature flag of the Runner is on for the job.
func (c *call) flagged(name string) bool { return featureflags.On(name, c.env.Variable) }
