package executor

import (
	"context"
	"io"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/layers"
	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/driver/mirror"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/removal"
	"gitlab-dind-executor/driver/sandbox"
	"gitlab-dind-executor/driver/stages"
)

// What hooks and commands use of the driver, by who uses it. All methods bear
// processes of this program beside them on the same engine, older versions included.
// But for Noted, what a method knows it has asked the engine for in that very call.

// planner finds out what a plan has to know. Both may run at once.
type planner interface {
	Facts(context.Context) (plan.Facts, error)
	Mirror(context.Context, plan.Mirror) (*plan.MirrorAccess, error)
}

// noter counts the volumes that resisted their removal so far.
type noter interface{ Noted() int }

// preparer makes a job's sandbox: BeginAnew removes what an earlier attempt left, then
// come Admit and Prepare. BeginAnew is idempotent and may run beside the planner's
// methods. A Prepare that fails leaves its objects to Cleanup, and is never called
// twice for one plan. The sweeps may run beside all of it. Noted counts what they
// found stuck.
type preparer interface {
	planner
	noter
	BeginAnew(ctx context.Context, job string) error
	Admit(ctx context.Context, a config.Admission, dataRoot string, say func(string)) error
	AwaitRoom(ctx context.Context, a config.Admission, dataRoot string, say func(string)) error
	Prepare(ctx context.Context, p *plan.Plan, say func(string)) (driver.Ready, error)
	Sweep(ctx context.Context, now time.Time, prepare time.Duration, dryRun bool) ([]sandbox.Verdict, error)
	SweepMirrors(ctx context.Context, current string, limit int64, measure, dryRun bool) ([]mirror.Verdict, error)
}

// stager runs the scripts of a job that is prepared, one after the other. The first
// script of the build side begins when AwaitDaemon returns or calls queues, and may run
// beside it.
// WatchStage, WatchMemory and FollowServices begin before a script and end behind it. EndedServices,
// Sidecar and Usage only look.
type stager interface {
	AwaitDaemon(ctx context.Context, job string, bound time.Duration, given plan.Given, queues func(), say func(string)) (driver.Booted, error)
	RunJob(ctx context.Context, job string, ways stages.Ways, script []byte, gate func(context.Context) error, out io.Writer) (int, error)
	RunHelper(ctx context.Context, job string, check *plan.ToolCheck, script []byte, out io.Writer) (int, error)
	WatchStage(ctx context.Context, job string) *stages.Watch
	WatchMemory(ctx context.Context, job string) *looking.Memory
	FollowServices(ctx context.Context, job string, out io.Writer, line func(service, text string) string) *stages.ServiceLogs
	EndedServices(ctx context.Context, job string) []stages.EndedService
	Sidecar(ctx context.Context, job string) looking.SidecarState
	Usage(ctx context.Context, job string, seen looking.Traffic) (looking.Usage, error)
}

// pooler makes sandboxes ahead and takes them away. LetBegin comes before Fill and
// FillBare. These and Drain may run at once, and more than once: what waits is counted
// anew before each. All leave alone what a job has claimed.
type pooler interface {
	planner
	LetBegin(ctx context.Context, p *plan.Plan) (wanted bool)
	Fill(ctx context.Context, p *plan.Plan, admit func(context.Context) error) (made int, err error)
	FillBare(ctx context.Context, p *plan.Plan) (made int, err error)
	HasRoom(ctx context.Context, a config.Admission, dataRoot string) error
	Drain(context.Context) (removed int, err error)
	Sweep(ctx context.Context, now time.Time, prepare time.Duration, dryRun bool) ([]sandbox.Verdict, error)
	Sandboxes(ctx context.Context, now time.Time, prepare time.Duration) ([]looking.SandboxStatus, error)
}

// upkeep removes what nobody needs any more. Each method is idempotent, goes on with
// the rest where one object fails, and leaves what a job has. FreeStuck comes last,
// since the others find what resists. With dryRun a method only tells.
type upkeep interface {
	FinishEnded(context.Context) (int, error)
	Sweep(ctx context.Context, now time.Time, prepare time.Duration, dryRun bool) ([]sandbox.Verdict, error)
	EndHeld(ctx context.Context, now time.Time, dryRun bool) ([]sandbox.Verdict, error)
	SweepMirrors(ctx context.Context, current string, limit int64, measure, dryRun bool) ([]mirror.Verdict, error)
	SweepSeeds(ctx context.Context, wishes []plan.SeedWish, dryRun bool) ([]layers.Seed, error)
	ClearLayers(ctx context.Context, dryRun bool) (removed []string, err error)
	RemoveCached(ctx context.Context, s config.Settings, now time.Time, dryRun bool) ([]plan.Eviction, error)
	FreeStuck(ctx context.Context, dryRun bool) (freed []removal.StuckVolume, failed int, err error)
}

// viewer looks at what there is and into it, at any time. Only Shell changes a thing:
// a held sandbox goes on while somebody looks into it.
type viewer interface {
	Status(ctx context.Context, w *looking.Watcher, now time.Time, prepare time.Duration) (looking.Status, error)
	Find(ctx context.Context, name string) (looking.Named, error)
	Named(context.Context) ([]looking.Named, error)
	Logs(ctx context.Context, sandbox string, p looking.Part, follow bool, tail string, stdout, stderr io.Writer) error
	Shell(ctx context.Context, n looking.Named, p looking.Part, t looking.Terminal) (int, error)
}
