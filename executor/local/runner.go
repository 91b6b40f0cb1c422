package local

import (
	"cmp"
	"context"
	"io"
	"os"
	"time"
)

// Runner holds what the Runner's config.toml would say about the custom
// executor, and the facts of the Runner itself. A zero value of a field stands
// for the default named at it. Jobs may run side by side; the fields must not
// change meanwhile, and Log and RunnerLog are then shared.
type Runner struct {
	// Executable is the driver; all four hooks call it. A relative path is
	// looked up in PATH, or from the attempt's folder where it has a slash.
	Executable string
	// ConfigArgs, PrepareArgs, RunArgs and CleanupArgs come first on the
	// hooks' command lines; run adds the script's path and the stage.
	ConfigArgs, PrepareArgs, RunArgs, CleanupArgs []string
	// Env is the environment of the Runner process; nil is os.Environ.
	Env []string
	// TempDir is where each attempt's folder is made; "" is os.TempDir.
	TempDir string

	// Version is the Runner's; "" is 18.6.6. Scripts, payload and environment have
	// the shape of that release, as of 16.11 at the earliest.
	Version string
	// ShortToken is the Runner's short token, CI_RUNNER_SHORT_TOKEN; "" is "local".
	ShortToken string
	// ConcurrentID is CI_CONCURRENT_ID and CI_CONCURRENT_PROJECT_ID.
	ConcurrentID int
	// URL is where artifacts go; "" is the payload's CI_SERVER_URL. Without
	// either, artifacts are not uploaded.
	URL string
	// BuildsDir and CacheDir are the folders in the job's containers, unless
	// the config hook answers with others.
	BuildsDir, CacheDir string
	// SectionMarkers puts GitLab's section_start and section_end into the log,
	// for payloads whose features have trace_sections.
	SectionMarkers bool

	// ConfigTimeout, PrepareTimeout and CleanupTimeout bound one call of the
	// hook each; 0 is one hour.
	ConfigTimeout, PrepareTimeout, CleanupTimeout time.Duration
	// GracefulKillTimeout is between SIGTERM and SIGKILL; 0 is ten minutes.
	GracefulKillTimeout time.Duration
	// ForceKillTimeout is how long SIGKILL may take; 0 is ten seconds.
	ForceKillTimeout time.Duration
	// StageWait is how long a stage may take to end after the job's end was
	// called, before cleanup starts regardless; 0 is five minutes.
	StageWait time.Duration
	// PrepareRetryDelay is between attempts to prepare; 0 is three seconds.
	PrepareRetryDelay time.Duration
	// StageRetryDelay is before the second attempt of a stage, and doubles up
	// to five minutes; 0 is five seconds.
	StageRetryDelay time.Duration

	// Log is the job log, masked as the Runner masks it; nil discards it.
	Log io.Writer
	// RunnerLog gets what cleanup prints, not masked, each line behind
	// "cleanup out: " or "cleanup err: "; nil discards it.
	RunnerLog io.Writer
	// OnHook is called when a hook's process has started. The job waits for it
	// to return.
	OnHook func(Hook)
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// prepareAttempts is how often the Runner tries to prepare.
const prepareAttempts = 3

// withDefaults returns a copy in which every field has its effective value.
func (r *Runner) withDefaults() *Runner {
	c := *r
	if c.Env == nil {
		c.Env = os.Environ()
	}
	c.TempDir = cmp.Or(c.TempDir, os.TempDir())
	c.Version = cmp.Or(c.Version, "18.6.6")
	c.ShortToken = cmp.Or(c.ShortToken, "local")
	c.ConfigTimeout = cmp.Or(c.ConfigTimeout, time.Hour)
	c.PrepareTimeout = cmp.Or(c.PrepareTimeout, time.Hour)
	c.CleanupTimeout = cmp.Or(c.CleanupTimeout, time.Hour)
	c.GracefulKillTimeout = cmp.Or(c.GracefulKillTimeout, 10*time.Minute)
	c.ForceKillTimeout = cmp.Or(c.ForceKillTimeout, 10*time.Second)
	c.StageWait = cmp.Or(c.StageWait, 5*time.Minute)
	c.PrepareRetryDelay = cmp.Or(c.PrepareRetryDelay, 3*time.Second)
	c.StageRetryDelay = cmp.Or(c.StageRetryDelay, 5*time.Second)
	if c.Log == nil {
		c.Log = io.Discard
	}
	if c.RunnerLog == nil {
		c.RunnerLog = io.Discard
	}
	if c.OnHook == nil {
		c.OnHook = func(Hook) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &c
}

// Run runs one job to its end. It is Start and Wait.
func (r *Runner) Run(ctx context.Context, p Payload) Result {
	return r.Start(ctx, p).Wait()
}
