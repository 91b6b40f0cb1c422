package local

import (
	"cmp"
	"context"
	"io"
	"os"
	"time"
)

// Runner holds the settings of the custom executor in the Runner's config.toml, and the
// facts of the Runner itself. A zero value of a field stands for the default named at the
// field. Jobs may run side by side. The fields must not change meanwhile, and Log and
// RunnerLog are then shared.
type Runner struct {
	// Executable is the driver; all four hooks call this program. A relative path is looked
	// up in PATH, or from the attempt's folder if the path has a slash.
	Executable string
	// ConfigArgs, PrepareArgs, RunArgs and CleanupArgs come first on the
	// hooks' command lines; run adds the script's path and the stage.
	ConfigArgs, PrepareArgs, RunArgs, CleanupArgs []string
	// Env is the environment of the Runner process; nil is os.Environ.
	Env []string
	// TempDir is where each attempt's folder is made; "" is os.TempDir.
	TempDir string

	// Version is the Runner's; "" is 18.6.6. Scripts, payload and environment have the
	// shape of this release, from 16.11 on.
	Version string
	// ShortToken is the Runner's short token, CI_RUNNER_SHORT_TOKEN; "" is "local".
	ShortToken string
	// ConcurrentID is CI_CONCURRENT_ID and CI_CONCURRENT_PROJECT_ID.
	ConcurrentID int
	// URL is the server for artifacts; "" is the payload's CI_SERVER_URL. Without both, no
	// artifacts are uploaded.
	URL string
	// BuildsDir and CacheDir are the folders in the job's containers, unless the config
	// hook answers with others.
	BuildsDir, CacheDir string
	// SectionMarkers puts GitLab's section_start and section_end into the log,
	// for payloads whose features have trace_sections.
	SectionMarkers bool

	// ConfigTimeout, PrepareTimeout and CleanupTimeout bound one call of the
	// hook each; 0 is one hour.
	ConfigTimeout, PrepareTimeout, CleanupTimeout time.Duration
	// GracefulKillTimeout is the time between SIGTERM and SIGKILL; 0 is ten minutes.
	GracefulKillTimeout time.Duration
	// ForceKillTimeout bounds the wait after SIGKILL; 0 is ten seconds.
	ForceKillTimeout time.Duration
	// StageWait bounds the wait for a stage when the job must end. Then cleanup starts
	// regardless; 0 is five minutes.
	StageWait time.Duration
	// PrepareRetryDelay is the pause between attempts to prepare; 0 is three seconds.
	PrepareRetryDelay time.Duration
	// StageRetryDelay is the pause before the second attempt of a stage. The pause doubles
	// up to five minutes; 0 is five seconds.
	StageRetryDelay time.Duration

	// Log is the job log, masked as the Runner masks it; nil discards it.
	Log io.Writer
	// RunnerLog gets the output of cleanup, not masked, each line behind "cleanup out: " or
	// "cleanup err: "; nil discards the output.
	RunnerLog io.Writer
	// OnHook is called when a hook's process has started. The job waits until OnHook
	// returns.
	OnHook func(Hook)
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// prepareAttempts is the Runner's number of attempts to prepare.
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

// Run runs a job to its end: Start and Wait.
func (r *Runner) Run(ctx context.Context, p Payload) Result {
	return r.Start(ctx, p).Wait()
}
