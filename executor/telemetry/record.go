package telemetry

import (
	"maps"
	"slices"
	"time"

	"go.uber.org/zap/zapcore"
)

// How a call ended.
const (
	Success   = "success"
	Failed    = "failed"
	Cancelled = "cancelled"
)

// Whose fault it was that a call did not succeed.
const (
	// OfJob is the pipeline's: its script, or what the settings forbid it.
	OfJob = "job"
	// OfSystem is the host's, the engine's, the network's or our own.
	OfSystem = "system"
)

// Where a job's docker daemon came from.
const (
	// Cold is one made for the job, on an empty data root.
	Cold = "cold"
	// Layers is one made for the job, with the layers of earlier ones.
	Layers = "layers"
	// Warm is one that waited.
	Warm = "warm"
)

// Record is what one call of the program did: a line of the operator's log. What
// is zero is left out. Nothing in it is a variable's value.
type Record struct {
	Time time.Time `json:"time"`
	// Hook is one of the four; Command is any other command that changes
	// something, such as "gc" or "pool fill".
	Hook    string `json:"hook"`
	Command string `json:"command"`
	Stage   string `json:"stage"`
	// Behind is the job behind which the command runs.
	Behind string `json:"behind"`

	// Job is its identity on the engine, JobID GitLab's number.
	Job     string `json:"job"`
	JobID   int64  `json:"job_id"`
	Project string `json:"project"`
	Ref     string `json:"ref"`
	Commit  string `json:"commit"`
	// JobStatus is GitLab's word, in cleanup.
	JobStatus string `json:"job_status"`
	Sandbox   string `json:"sandbox"`
	// Origin is where the docker daemon came from, and ColdReason why none that
	// waited was taken. Pooled says that one could have been.
	Origin     string `json:"origin"`
	ColdReason string `json:"cold_reason"`
	Pooled     bool   `json:"pooled"`
	Docker     string `json:"docker"`
	// Booting says that prepare has left the daemon booting; DaemonWait is what
	// the first script then waited for it, in seconds, and Awaited that it did.
	Booting    bool    `json:"booting"`
	Awaited    bool    `json:"awaited"`
	DaemonWait float64 `json:"daemon_wait"`
	// Pulls and FailedPulls are images that were fetched, and PullSeconds for how
	// long, all together.
	Pulls       int     `json:"pulls"`
	FailedPulls int     `json:"failed_pulls"`
	PullSeconds float64 `json:"pull_seconds"`

	// Swept are sandboxes without an owner, Made sandboxes ahead of jobs, Evicted
	// caches and layers, Freed their bytes as far as they are known.
	Swept   int   `json:"swept"`
	Made    int   `json:"made"`
	Evicted int   `json:"evicted"`
	Freed   int64 `json:"freed_bytes"`
	// Left are volumes that resisted a hook's removal, which a gc behind it goes on
	// with. FailedRemovals are those that a gc could not remove either.
	Left           int `json:"left"`
	FailedRemovals int `json:"failed_removals"`

	// Phases are seconds by name, Seconds the whole call.
	Phases  map[string]float64 `json:"phases"`
	Seconds float64            `json:"seconds"`

	// Result is one of Success, Failed and Cancelled; Class is OfJob or OfSystem.
	Result string `json:"result"`
	Class  string `json:"class"`
	// ExitCode is a failed script's.
	ExitCode int    `json:"exit_code"`
	Error    string `json:"error"`
	Hint     string `json:"hint"`
	// TraceError is why the call's spans reached no collector.
	TraceError string `json:"trace_error"`
	Version    string `json:"version"`
	PID        int    `json:"pid"`
}

// MarshalLogObject gives the fields that are not zero to zap.
func (r Record) MarshalLogObject(e zapcore.ObjectEncoder) error {
	text := func(key, value string) {
		if value != "" {
			e.AddString(key, Clip(value))
		}
	}
	number := func(key string, value int64) {
		if value != 0 {
			e.AddInt64(key, value)
		}
	}
	seconds := func(key string, value float64) {
		if value != 0 {
			e.AddFloat64(key, milli(value))
		}
	}
	truth := func(key string, value bool) {
		if value {
			e.AddBool(key, true)
		}
	}
	text("hook", r.Hook)
	text("command", r.Command)
	text("stage", r.Stage)
	text("behind", r.Behind)
	text("job", r.Job)
	number("job_id", r.JobID)
	text("project", r.Project)
	text("ref", r.Ref)
	text("commit", r.Commit)
	text("job_status", r.JobStatus)
	text("sandbox", r.Sandbox)
	text("origin", r.Origin)
	text("cold_reason", r.ColdReason)
	truth("pooled", r.Pooled)
	text("docker", r.Docker)
	truth("booting", r.Booting)
	truth("awaited", r.Awaited)
	seconds("daemon_wait", r.DaemonWait)
	number("pulls", int64(r.Pulls))
	number("failed_pulls", int64(r.FailedPulls))
	seconds("pull_seconds", r.PullSeconds)
	number("swept", int64(r.Swept))
	number("made", int64(r.Made))
	number("evicted", int64(r.Evicted))
	number("freed_bytes", r.Freed)
	number("left", int64(r.Left))
	number("failed_removals", int64(r.FailedRemovals))
	if len(r.Phases) > 0 {
		_ = e.AddObject("phases", zapcore.ObjectMarshalerFunc(func(e zapcore.ObjectEncoder) error {
			for _, name := range slices.Sorted(maps.Keys(r.Phases)) {
				e.AddFloat64(name, milli(r.Phases[name]))
			}
			return nil
		}))
	}
	e.AddFloat64("seconds", milli(r.Seconds))
	text("result", r.Result)
	text("class", r.Class)
	number("exit_code", int64(r.ExitCode))
	text("error", r.Error)
	text("hint", r.Hint)
	text("trace_error", r.TraceError)
	text("version", r.Version)
	number("pid", int64(r.PID))
	return nil
}

// level is how loud a record is.
func (r Record) level() zapcore.Level {
	switch {
	case r.Class == OfSystem:
		return zapcore.ErrorLevel
	case r.Error != "" || r.TraceError != "":
		return zapcore.WarnLevel
	}
	return zapcore.InfoLevel
}

// milli cuts seconds to milliseconds.
func milli(seconds float64) float64 { return float64(int64(seconds*1000+0.5)) / 1000 }
