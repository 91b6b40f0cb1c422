package telemetry

import (
	"maps"
	"slices"
	"time"

	"go.uber.org/zap/zapcore"
)

// The results of a call.
const (
	Success   = "success"
	Failed    = "failed"
	Cancelled = "cancelled"
)

// The classes of failures: whose fault they are.
const (
	// OfJob is a fault of the pipeline: its script, or a request that the settings forbid.
	OfJob = "job"
	// OfSystem is a fault of the host, the engine, the network or this program.
	OfSystem = "system"
)

// The origins of a job's docker daemon.
const (
	// Cold is a daemon made for the job, on an empty data root.
	Cold = "cold"
	// Layers is a daemon made for the job, with the layers of earlier jobs.
	Layers = "layers"
	// Warm is a daemon that waited for a job.
	Warm = "warm"
)

// Record is the record of a call of the program: a line of the operator's log. Zero fields
// are left out. No field holds a variable's value.
type Record struct {
	Time time.Time `json:"time"`
	// Hook is one of the four hooks. Command is any other command that changes something,
	// such as "gc" or "pool fill".
	Hook    string `json:"hook"`
	Command string `json:"command"`
	Stage   string `json:"stage"`
	// Behind is the job behind which the command runs.
	Behind string `json:"behind"`

	// Job is the job's identity on the engine, JobID GitLab's number.
	Job     string `json:"job"`
	JobID   int64  `json:"job_id"`
	Project string `json:"project"`
	Ref     string `json:"ref"`
	Commit  string `json:"commit"`
	// URL is the job's page and JobStage its stage in the pipeline. prepare alone writes
	// both.
	URL      string `json:"url"`
	JobStage string `json:"job_stage"`
	// JobStatus is GitLab's word for the job's end, in cleanup.
	JobStatus string `json:"job_status"`
	Sandbox   string `json:"sandbox"`
	// Origin is the origin of the docker daemon. ColdReason says why no waiting daemon was
	// taken. Pooled tells whether the settings have a pool.
	Origin     string `json:"origin"`
	ColdReason string `json:"cold_reason"`
	Pooled     bool   `json:"pooled"`
	Docker     string `json:"docker"`
	// Booting tells whether prepare has left the daemon booting. Awaited tells whether the
	// first script waited for the daemon, and DaemonWait is this wait in seconds.
	Booting    bool    `json:"booting"`
	Awaited    bool    `json:"awaited"`
	DaemonWait float64 `json:"daemon_wait"`
	// Pulls and FailedPulls count fetched images. PullSeconds is the time of all pulls
	// together.
	Pulls       int     `json:"pulls"`
	FailedPulls int     `json:"failed_pulls"`
	PullSeconds float64 `json:"pull_seconds"`
	// Images lists the first of these pulls.
	Images []Pull `json:"images"`
	// Used holds the resources used by the job's docker daemon, after the last stage; nil
	// if nobody has asked.
	Used *Used `json:"used"`

	// Swept counts sandboxes without an owner, Made sandboxes ahead of jobs, Evicted caches
	// and layers. Freed is the known size of the evicted, in bytes.
	Swept   int   `json:"swept"`
	Made    int   `json:"made"`
	Evicted int   `json:"evicted"`
	Freed   int64 `json:"freed_bytes"`
	// Left counts volumes that resisted a hook's removal: a gc behind the hook goes on with
	// them. FailedRemovals counts volumes that a gc could not remove either.
	Left           int `json:"left"`
	FailedRemovals int `json:"failed_removals"`

	// Phases holds seconds by the phase's name, Seconds the time of the whole call.
	Phases  map[string]float64 `json:"phases"`
	Seconds float64            `json:"seconds"`

	// Result is one of Success, Failed and Cancelled; Class is OfJob or OfSystem.
	Result string `json:"result"`
	Class  string `json:"class"`
	// ExitCode is a failed script's code.
	ExitCode int    `json:"exit_code"`
	Error    string `json:"error"`
	Hint     string `json:"hint"`
	// TraceError is the reason why the call's spans reached no collector.
	TraceError string `json:"trace_error"`
	Version    string `json:"version"`
	PID        int    `json:"pid"`
}

// Pull is the pull of an image.
type Pull struct {
	Image string `json:"image"`
	// After is the start, in seconds after the start of the call. Seconds is the duration.
	After   float64 `json:"after"`
	Seconds float64 `json:"seconds"`
	// Bytes is the engine's count of bytes; 0 without a count.
	Bytes  int64 `json:"bytes"`
	Failed bool  `json:"failed"`
}

// MarshalLogObject gives the fields that are not zero to zap.
func (p Pull) MarshalLogObject(e zapcore.ObjectEncoder) error {
	e.AddString("image", Clip(p.Image))
	e.AddFloat64("after", milli(p.After))
	e.AddFloat64("seconds", milli(p.Seconds))
	if p.Bytes > 0 {
		e.AddInt64("bytes", p.Bytes)
	}
	if p.Failed {
		e.AddBool("failed", true)
	}
	return nil
}

// Used holds the resources used by a job's docker daemon. All but Boot and Layers are in
// bytes, and 0 means unknown.
type Used struct {
	PeakMemory uint64 `json:"peak_memory"`
	Received   uint64 `json:"received"`
	Written    uint64 `json:"written"`
	Disk       uint64 `json:"disk"`
	// Boot is the time from the sidecar's creation until its daemon listened, in seconds.
	Boot float64 `json:"boot"`
	// Layers is the fate of the layers of earlier jobs, a plan.LayersState.
	Layers string `json:"layers"`
}

// MarshalLogObject gives the fields that are not zero to zap.
func (u Used) MarshalLogObject(e zapcore.ObjectEncoder) error {
	for key, n := range map[string]uint64{"peak_memory": u.PeakMemory, "received": u.Received, "written": u.Written, "disk": u.Disk} {
		if n > 0 {
			e.AddUint64(key, n)
		}
	}
	if u.Boot > 0 {
		e.AddFloat64("boot", milli(u.Boot))
	}
	if u.Layers != "" {
		e.AddString("layers", Clip(u.Layers))
	}
	return nil
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
	text("url", r.URL)
	text("job_stage", r.JobStage)
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
	if len(r.Images) > 0 {
		_ = e.AddArray("images", zapcore.ArrayMarshalerFunc(func(e zapcore.ArrayEncoder) error {
			for _, p := range r.Images {
				_ = e.AppendObject(p) // into memory
			}
			return nil
		}))
	}
	if r.Used != nil {
		_ = e.AddObject("used", r.Used)
	}
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

// level is the log level of a record.
func (r Record) level() zapcore.Level {
	switch {
	case r.Class == OfSystem:
		return zapcore.ErrorLevel
	case r.Error != "" || r.TraceError != "":
		return zapcore.WarnLevel
	}
	return zapcore.InfoLevel
}

// milli rounds seconds to milliseconds.
func milli(seconds float64) float64 { return float64(int64(seconds*1000+0.5)) / 1000 }
