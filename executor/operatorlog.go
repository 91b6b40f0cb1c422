package executor

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/driver/sandbox"
	"gitlab-dind-executor/executor/payload"
	"gitlab-dind-executor/executor/redact"
	"gitlab-dind-executor/executor/telemetry"
	"gitlab-dind-executor/fault"
)

// envBehind names the job to a process behind it.
const envBehind = "GITLAB_DIND_EXECUTOR_BEHIND"

// jobStatuses are GitLab's words for the end of a job. A pipeline can set the variable, so
// no other value counts.
var jobStatuses = []string{telemetry.Success, telemetry.Failed, telemetry.Canceled}

// begin notes the command of this call, for the operator's log.
func (c *call) begin(cmd *cobra.Command) {
	_, name, _ := strings.Cut(cmd.CommandPath(), " ")
	switch {
	case slices.Contains(telemetry.Hooks, name):
		c.record.Hook = name
	case slices.Contains(telemetry.Commands, name):
		c.record.Command = name
	default:
		return
	}
	c.recorded = c.settings().Log.Level != config.LogOff
	if c.record.Hook == "config" {
		c.env[envStarted] = c.began.UTC().Format(time.RFC3339Nano)
	}
	if args := cmd.Flags().Args(); name == "run" && len(args) == 2 {
		c.record.Stage = args[1]
	} else if (name == "settle" || name == "finish") && len(args) == 1 {
		c.record.Job = args[0]
	}
	c.record.Behind = c.env[envBehind]
	if c.record.Hook == "config" {
		if p, err := payload.Read(c.env[envPayload]); err == nil {
			c.concerns(p)
		}
	}
}

// concerns notes the job of this call.
func (c *call) concerns(p *payload.Job) {
	c.payload, p.NoPage = p, c.alone
	c.record.Job, c.record.JobID, c.record.Project = p.Key(), p.ID, p.Project()
	c.record.Ref, c.record.Commit = p.GitInfo.Ref, p.GitInfo.SHA
	if about := p.About(); c.record.Hook == "prepare" {
		c.record.URL, c.record.JobStage = about.URL, about.Stage
	}
	if s := c.env.Variable("CI_JOB_STATUS"); c.record.Hook == "cleanup" && slices.Contains(jobStatuses, s) {
		c.record.JobStatus = s
	}
}

// lap ends a phase of the call. The phase began with the end of the phase before.
func (c *call) lap(phase string) {
	now := time.Now()
	if c.record.Phases == nil {
		c.record.Phases = map[string]float64{}
	}
	c.record.Phases[phase] = now.Sub(c.lapped).Seconds()
	c.phaseSpan(phase, c.lapped, now)
	c.lapped = now
}

// prepared notes the outcome of a prepare.
func (c *call) prepared(settings config.Settings, ready driver.Ready, err error) {
	r := &c.record
	if ready.Sandbox != "" {
		r.Sandbox = ready.Sandbox
	}
	r.Pulls, r.FailedPulls, r.PullSeconds = ready.Pulls.Done, ready.Pulls.Failed, ready.Pulls.Took.Seconds()
	for _, p := range ready.Pulls.Each {
		r.Images = append(r.Images, telemetry.Pull{
			Image: c.harmless(p.Image), After: p.Began.Sub(c.began).Seconds(), Seconds: p.Took.Seconds(), Bytes: p.Size, Failed: p.Failed,
		})
	}
	r.Pooled = settings.Pool.Size > 0
	if err != nil {
		return
	}
	r.Docker, r.Booting, r.ColdReason = ready.Docker, ready.Booting, ready.Cold
	switch {
	case ready.Warm:
		r.Origin = telemetry.Warm
	case ready.Layers:
		r.Origin = telemetry.Layers
	default:
		r.Origin = telemetry.Cold
	}
	if ready.Services > 0 {
		r.Phases["services"] = ready.Services.Seconds()
	}
}

// noteUsed notes the resources used by the job's docker daemon.
func (c *call) noteUsed(u looking.Usage) {
	c.record.Used = &telemetry.Used{
		PeakMemory: u.PeakMemory, Received: u.Received, Written: u.Written, Disk: u.Disk, Boot: u.Boot.Seconds(), Layers: string(u.Layers),
	}
}

// awaited notes the first script's wait for its daemon, and the daemon's version if known
// by now.
func (c *call) awaited(docker string, waited time.Duration) {
	c.record.Awaited, c.record.DaemonWait, c.record.Docker = true, waited.Seconds(), docker
}

// leaked counts a sweep's removals of sandboxes without a living job.
func leaked(verdicts []sandbox.Verdict) int {
	n := 0
	for _, v := range verdicts {
		if v.Leaked() {
			n++
		}
	}
	return n
}

// conclude writes the line of this call. When the log cannot be written, an operator gets a
// line of warning.
func (c *call) conclude(err error) {
	spans := c.endTrace()
	r := c.record
	if r.Hook+r.Command == "" {
		return
	}
	r.Swept += int(c.swept.Load())
	r.Time, r.Seconds = time.Now(), time.Since(c.began).Seconds()
	r.Version, r.PID = label.Version, os.Getpid()
	r.Result, r.Class, r.ExitCode = resultOf(err)
	if err != nil && r.ExitCode == 0 {
		r.Error, r.Hint = c.harmless(err.Error()), c.harmless(fault.HintOf(err))
	}
	if err := c.export(r, spans); err != nil {
		r.TraceError = c.harmless(err.Error())
	}
	if !c.recorded {
		return
	}
	if err := c.operatorLog().Write(r, spans); err != nil && c.forOperator() {
		c.log.Warn("the operator's log is not written: " + err.Error())
	}
}

// harmless takes values of variables, and secrets by their form, out of a text.
func (c *call) harmless(text string) string {
	p := c.payload
	if p == nil {
		p = &payload.Job{}
	}
	return telemetry.Scrub(redact.New(payload.Secrets(p, c.env)).Others(strings.TrimSpace(text)))
}

// resultOf returns the result of a call. For a failure, class says whose fault it was, and
// exitCode is the script's own code, if any.
func resultOf(err error) (result, class string, exitCode int) {
	var script *failedScript
	switch {
	case err == nil:
		return telemetry.Success, "", 0
	case errors.As(err, &script):
		return telemetry.Failed, telemetry.OfJob, script.code
	case errors.Is(err, context.Canceled):
		return telemetry.Cancelled, "", 0
	case fault.IsOfJob(err):
		return telemetry.Failed, telemetry.OfJob, 0
	}
	return telemetry.Failed, telemetry.OfSystem, 0
}

// operatorLog returns the log of the settings. The log has no file where the user has no
// home.
func (c *call) operatorLog() telemetry.Log {
	s := c.settings()
	l := telemetry.Log{Path: s.Log.File, Debug: s.Log.Level == config.LogDebug, MaxSize: s.Log.MaxSize.Bytes(), MaxFiles: s.Log.MaxFiles}
	if s.Log.Journal {
		l.Journal = telemetry.JournalSocket
	}
	if dir := bundleDir(config.Bundles{}, c.env); l.Path == "" && dir != "" {
		l.Path = filepath.Join(dir, "operator.log")
	}
	return l
}

// thisHost decides the place of bundles and of the operator's log. Tests must not write to
// the machine's own.
var thisHost = telemetry.ThisHost

// bundleDir returns the directory of bundles: the settings', else the operator log's, ""
// for none.
func bundleDir(s config.Bundles, env payload.Environment) string {
	return cmp.Or(s.Dir, telemetry.StateDir(env, os.Geteuid(), thisHost()))
}
