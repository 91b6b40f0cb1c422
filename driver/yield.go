package driver

import (
	"context"
	"sync"
	"time"

	"gitlab-dind-executor/driver/bounds"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/host"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
)

// Work ahead of jobs would take processors from jobs that begin at the same time. So jobs
// go first. A lock of this host says that a prepare is under way. The process that fills
// the pool behind a job holds the same lock until the job's script has begun. Before each
// step the maker of a sandbox waits for all holders, within a bound for all its waits. Once
// a job has taken the sandbox, the maker no longer waits: its work is now for that job.

const (
	// beginning is the lock of jobs that begin.
	beginning = "beginning"
	// yieldGap is the pause between two looks at the lock. yieldQuiet is how long the lock
	// must be free, because a job's second process takes it over from the first.
	yieldGap   = 10 * time.Millisecond
	yieldQuiet = 60 * time.Millisecond
	// eventsBack is how far back events are asked for: a script may have begun before this
	// process.
	eventsBack = 2 * time.Second
)

// Begins tells the makers of sandboxes on this host that a job begins, until done is
// called.
func (d *Driver) Begins() (done func()) { return d.locks.Share(beginning) }

// makingOf names the lock of processes that are about to make a sandbox of a kind. The
// sandbox itself is not visible yet. Kinds share 256 locks, because a lock's file stays.
func makingOf(spec string) string { return "making-" + label.Hashed(spec)[:2] }

// LetBegin returns when the plan's sandboxes may be made, and tells whether any are wanted.
// Behind a running job, the time has come when its script has begun and its daemon answers.
// Behind an ended job it waits: the next job may come at once and want the same layers,
// which are being cleared. All waits have bounds.
func (d *Driver) LetBegin(ctx context.Context, p *plan.Plan) (wanted bool) {
	if !p.MayFill() || d.eng.Greet(ctx) != nil {
		return true // Fill reports the error
	}
	if p.Pool.Behind != "" {
		d.awaitBeginning(ctx, p.Pool.Behind)
	}
	if !p.MayWait() {
		return false
	}
	if !p.Pool.AfterJob {
		return true // Fill looks, and removes sandboxes with older images
	}
	bounds.Pause(ctx, d.bounds.NextJob)
	if all, err := d.allAhead(ctx, ""); err == nil {
		if _, wanted := demand(all, p, time.Now()); !wanted {
			return false
		}
	}
	return d.awaitIdle(ctx, p.Claim.Scope)
}

// awaitBeginning waits until a job's script has begun and its daemon answers. Meanwhile it
// holds the lock of jobs that begin.
func (d *Driver) awaitBeginning(ctx context.Context, job string) {
	defer d.locks.Share(beginning)()
	ctx, cancel := context.WithTimeout(ctx, d.bounds.Beginning)
	defer cancel()
	ofJob := []string{label.Job + "=" + job, label.Role + "=" + string(plan.RoleJob)}
	d.eng.AwaitAny(ctx, ofJob, time.Now().Add(-eventsBack), engine.WasAttached, engine.WasRemoved)
	d.awaitAnswer(ctx, job)
}

// awaitIdle waits until layers of a scope are free, and tells whether they are. The layers
// of an ended job are free when its sidecar is gone.
func (d *Driver) awaitIdle(ctx context.Context, scope string) bool {
	for began := time.Now(); ; {
		free, err := d.Layers.AnyIdle(ctx, scope)
		waited := time.Since(began)
		if free || err != nil || waited > d.bounds.Beginning || !bounds.Pause(ctx, max(10*yieldGap, waited/4)) {
			return free && err == nil
		}
	}
}

// awaitAnswer waits until the daemon of a job answers, or never will. The job itself
// reports faults.
func (d *Driver) awaitAnswer(ctx context.Context, job string) {
	found, err := d.eng.Containers(ctx, label.Job+"="+job, label.Booting)
	if err != nil || len(found) == 0 {
		return
	}
	sandbox := found[0].Labels[label.Sandbox]
	sidecar, err := d.find.SidecarIn(ctx, sandbox)
	if err == nil && sidecar.ID != "" {
		_, _ = d.boots.Await(ctx, sandbox, sidecar.ID, plan.Given{}, nil)
	}
}

// yielding is the state of a maker that lets jobs go first.
type yielding struct {
	locks *host.Locks
	// taken is closed when a job has taken the sandbox.
	taken chan struct{}

	mu sync.Mutex
	// left is how long all further waits may take.
	left time.Duration
}

func (d *Driver) yielding() *yielding {
	return &yielding{locks: d.locks, taken: make(chan struct{}), left: d.bounds.Yield}
}

// yield waits while jobs begin.
func (y *yielding) yield(ctx context.Context) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if !y.locks.Shared(beginning) {
		return
	}
	for busy := time.Now(); y.left > 0 && !y.isTaken() && time.Since(busy) < yieldQuiet; {
		began := time.Now()
		if y.locks.Shared(beginning) {
			busy = began
		}
		pause := time.NewTimer(yieldGap)
		select {
		case <-pause.C:
		case <-y.taken:
		case <-ctx.Done():
			y.left = 0
		}
		pause.Stop()
		y.left -= time.Since(began)
	}
}

func (y *yielding) isTaken() bool {
	select {
	case <-y.taken:
		return true
	default:
		return false
	}
}

// watchClaim closes taken when a job has taken the sandbox. It ends with ctx.
func (d *Driver) watchClaim(ctx context.Context, sandbox string, taken chan<- struct{}) {
	name := label.ObjectName(sandbox, plan.RoleJob)
	for bounds.Pause(ctx, 2*yieldGap) {
		if c, err := d.eng.Container(ctx, name); err == nil && c.Labels[label.Sandbox] == sandbox {
			close(taken)
			return
		}
	}
}
