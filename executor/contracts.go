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

// The driver's methods for hooks and commands, by user. All methods bear other processes of
// this program on the same engine, older versions included. Except for Noted, each method
// asks the engine anew in each call.

// planner finds the facts for a plan. Both methods may run at once.
type planner interface {
	Facts(context.Context) (plan.Facts, error)
	Mirror(context.Context, plan.Mirror) (*plan.MirrorAccess, error)
}

// noter counts the volumes that have resisted their removal so far.
type noter interface{ Noted() int }

// preparer makes a job's sandbox. BeginAnew removes the objects of an earlier attempt, then
// come Admit and Prepare. BeginAnew is idempotent and may run beside the planner's methods.
// A failed Prepare leaves its objects to Cleanup, and nobody calls Prepare twice for one
// plan. The sweeps may run beside all of this. Noted counts the volumes that they found
// stuck.
type preparer interface {
	planner
	noter
	BeginAnew(ctx context.Context, job string) error
	Admit(ctx context.Context, want plan.Demand, dataRoot string, say func(string)) error
	AwaitRoom(ctx context.Context, want plan.Demand, dataRoot string, say func(string)) error
	Prepare(ctx context.Context, p *plan.Plan, say func(string)) (driver.Ready, error)
	Sweep(ctx context.Context, now time.Time, prepare time.Duration, dryRun bool) ([]sandbox.Verdict, error)
	SweepMirrors(ctx context.Context, current string, limit int64, measure, dryRun bool) ([]mirror.Verdict, error)
}

// stager runs the scripts of a prepared job, one after the other. The first script of the
// build side begins when AwaitDaemon returns or calls queues, and may run beside
// AwaitDaemon. WatchStage, WatchMemory and FollowServices begin before a script and end
// after the script. EndedServices, Sidecar and Usage only look.
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
// FillBare. These and Drain may run at once, and more than once: each counts the waiting
// sandboxes anew. No method touches a sandbox claimed by a job.
type pooler interface {
	planner
	LetBegin(ctx context.Context, p *plan.Plan) (wanted bool)
	Fill(ctx context.Context, p *plan.Plan, admit func(context.Context) error) (made int, err error)
	FillBare(ctx context.Context, p *plan.Plan) (made int, err error)
	HasRoom(ctx context.Context, want plan.Demand, dataRoot string) error
	Drain(context.Context) (removed int, err error)
	Sweep(ctx context.Context, now time.Time, prepare time.Duration, dryRun bool) ([]sandbox.Verdict, error)
	Sandboxes(ctx context.Context, now time.Time, prepare time.Duration) ([]looking.SandboxStatus, error)
}

// upkeep removes objects without a user. Each method is idempotent, goes on with the rest
// where an object fails, and spares the objects of jobs. FreeStuck comes last, since the
// other methods find the volumes that resist. With dryRun a method only reports.
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

// viewer looks at objects, and into them, at any time. Only Shell changes anything: a held
// sandbox goes on while somebody looks inside.
type viewer interface {
	Status(ctx context.Context, w *looking.Watcher, now time.Time, prepare time.Duration) (looking.Status, error)
	Find(ctx context.Context, name string) (looking.Named, error)
	Named(context.Context) ([]looking.Named, error)
	Logs(ctx context.Context, sandbox string, p looking.Part, follow bool, tail string, stdout, stderr io.Writer) error
	Shell(ctx context.Context, n looking.Named, p looking.Part, t looking.Terminal) (int, error)
}
