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

// What is made ahead takes the processors of the jobs that begin meanwhile. So jobs go
// first: a prepare says that it is under way by a lock of this host, and so does the
// process that fills the pool behind it until that job's script has begun. Who fills
// waits for all of them before each step, but never for long in all. One that a job has
// taken meanwhile yields to nobody: it is that job's.

const (
	// beginning is the lock of jobs that begin.
	beginning = "beginning"
	// yieldGap is the pause between two looks at it, and yieldQuiet how long nobody may
	// have it: one process of a job takes it over from the other.
	yieldGap   = 10 * time.Millisecond
	yieldQuiet = 60 * time.Millisecond
	// eventsBack is how far back events are asked for: a script may have begun before
	// this process did.
	eventsBack = 2 * time.Second
)

// Begins tells whoever makes sandboxes ahead on this host that a job begins, until done
// is called.
func (d *Driver) Begins() (done func()) { return d.locks.Share(beginning) }

// makingOf names the lock of who is about to make a sandbox of a kind that nobody sees
// yet. Kinds share few locks, whose files stay.
func makingOf(spec string) string { return "making-" + label.Hashed(spec)[:2] }

// LetBegin returns when the sandboxes that a plan asks for may be made, and tells whether
// any are wanted. That is when the script of the job that it comes from has begun, and
// its daemon answers. Behind a job that has ended the next one may be about to come, and
// to want the same layers, which are being cleared. All of it has bounds.
func (d *Driver) LetBegin(ctx context.Context, p *plan.Plan) (wanted bool) {
	if !p.MayFill() || d.eng.Greet(ctx) != nil {
		return true // Fill tells
	}
	if p.Pool.Behind != "" {
		d.awaitBeginning(ctx, p.Pool.Behind)
	}
	if !p.MayWait() {
		return false
	}
	if !p.Pool.AfterJob {
		return true // Fill looks, and takes away what is of older images
	}
	bounds.Pause(ctx, d.bounds.NextJob)
	if all, err := d.allAhead(ctx, ""); err == nil {
		if _, wanted := demand(all, p, time.Now()); !wanted {
			return false
		}
	}
	return d.awaitIdle(ctx, p.Claim.Scope)
}

// awaitBeginning waits until a job's script has begun and its daemon answers, and tells
// others meanwhile that it begins.
func (d *Driver) awaitBeginning(ctx context.Context, job string) {
	defer d.locks.Share(beginning)()
	ctx, cancel := context.WithTimeout(ctx, d.bounds.Beginning)
	defer cancel()
	ofJob := []string{label.Job + "=" + job, label.Role + "=" + string(plan.RoleJob)}
	d.eng.AwaitAny(ctx, ofJob, time.Now().Add(-eventsBack), engine.WasAttached, engine.WasRemoved)
	d.awaitAnswer(ctx, job)
}

// awaitIdle waits until layers of a scope are free, which those of a job that has ended
// are when its sidecar is gone. It tells whether they are.
func (d *Driver) awaitIdle(ctx context.Context, scope string) bool {
	for began := time.Now(); ; {
		free, err := d.Layers.AnyIdle(ctx, scope)
		waited := time.Since(began)
		if free || err != nil || waited > d.bounds.Beginning || !bounds.Pause(ctx, max(10*yieldGap, waited/4)) {
			return free && err == nil
		}
	}
}

// awaitAnswer waits until the daemon of a job answers, or cannot any more. A fault is
// the job's to tell.
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

// yielding lets jobs go before what is made ahead.
type yielding struct {
	locks *host.Locks
	// taken is closed when a job has taken the sandbox.
	taken chan struct{}

	mu sync.Mutex
	// left is how long it may still wait.
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

// watchClaim closes taken when a job has taken a sandbox. It ends with ctx.
func (d *Driver) watchClaim(ctx context.Context, sandbox string, taken chan<- struct{}) {
	name := label.ObjectName(sandbox, plan.RoleJob)
	for bounds.Pause(ctx, 2*yieldGap) {
		if c, err := d.eng.Container(ctx, name); err == nil && c.Labels[label.Sandbox] == sandbox {
			close(taken)
			return
		}
	}
}
