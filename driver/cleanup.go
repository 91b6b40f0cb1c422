package driver

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"gitlab-dind-executor/driver/bounds"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/removal"
	"gitlab-dind-executor/driver/sandbox"
	"gitlab-dind-executor/driver/span"
	"gitlab-dind-executor/group"
)

// begunPrefix begins the names under which this host remembers begun jobs.
const begunPrefix = "job-"

// begunFor is how long this host remembers a begun job. A job is prepared again within
// minutes.
const begunFor = 24 * time.Hour

func begun(job string) string { return begunPrefix + label.Hashed(job)[:32] }

// BeginAnew removes the remains of an earlier attempt at a job. It asks the engine only if
// this host remembers an attempt whose End it has not seen, or if it cannot remember. The
// question is dear: to find a job by its label, the engine looks at all its objects.
func (d *Driver) BeginAnew(ctx context.Context, job string) error {
	if d.locks.Recall(begun(job)) == nil && d.locks.Remember(begun(job), []byte("begun\n")) {
		return nil
	}
	return d.Cleanup(ctx, job)
}

// Ended describes the remains of a job for Cleanup.
type Ended struct {
	// Sandboxes says that the job had a sandbox.
	Sandboxes bool
	// Layers says that a sandbox of the job may have had a cached data root.
	Layers bool
}

// End marks each sandbox of a job as ended, and kills everything that runs there. The job's
// status waits for these milliseconds; the removal takes longer, and is Cleanup's part. The
// mark comes first: from then on no sweep, list or count takes the sandbox for a living
// job's, even if this process dies. End waits for an engine that restarts, because no later
// hook would finish its work. Sandboxes that Hold holds stay.
func (d *Driver) End(ctx context.Context, job string) (ended Ended, err error) {
	ctx, end := span.Begin(ctx, "end the job's sandboxes")
	defer end()
	err = d.patiently(ctx, func() error {
		if s := d.expectedOf(ctx, job); s != nil {
			ended = Ended{Sandboxes: true, Layers: hasLayers(s)}
			return d.endSandbox(ctx, s.Sandbox, job, func() (*engine.Objects, error) {
				if now := d.expectedOf(ctx, job); now != nil {
					return now, nil
				}
				return d.inSandbox(ctx, s.Sandbox)
			})
		}
		found, err := d.notHeld(ctx, job)
		if err != nil {
			return err
		}
		for _, id := range slices.Sorted(maps.Keys(found)) {
			ended.Sandboxes, ended.Layers = true, ended.Layers || hasLayers(found[id])
			if err := d.endSandbox(ctx, id, job, func() (*engine.Objects, error) { return d.inSandbox(ctx, id) }); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		d.locks.Forget(begun(job))
	}
	return ended, err
}

// endSandbox marks a sandbox as ended, and then kills the containers that look finds.
func (d *Driver) endSandbox(ctx context.Context, id, job string, look func() (*engine.Objects, error)) error {
	if _, err := d.eng.CreateVolume(ctx, label.ObjectName(id, plan.RoleEnded), label.ForEnded(id, job)); err != nil {
		return d.eng.Explain("marking the job as ended", err)
	}
	found, err := look()
	if err != nil || found == nil {
		return err
	}
	d.removal.Kill(ctx, found)
	return nil
}

// expectedOf returns a job's sandbox as prepare left it, from the expected containers
// alone, so the engine looks at no others. It returns nil if a container was replaced or is
// missing, or if the sandbox is held. The caller then looks for the job by its label.
func (d *Driver) expectedOf(ctx context.Context, job string) *engine.Objects {
	list, err := d.eng.Expected(ctx)
	if err != nil || len(list) == 0 || len(list) != len(d.eng.ExpectedIDs()) {
		return nil
	}
	s := &engine.Objects{Sandbox: list[0].Labels[label.Sandbox]}
	claimed, running := false, false
	for _, c := range list {
		if c.Labels[label.Sandbox] != s.Sandbox {
			return nil
		}
		o := engine.ObjectOf(c)
		claimed = claimed || o.Role == plan.RoleJob && c.Labels[label.Job] == job
		running = running || o.Role == plan.RoleSidecar && c.State == engine.Running
		s.Containers = append(s.Containers, o)
	}
	if s.Sandbox == "" || !claimed || !running {
		return nil
	}
	for _, held := range []plan.Role{plan.RoleHeld, plan.RoleHeldBefore} {
		if _, err := d.eng.Volume(ctx, label.ObjectName(s.Sandbox, held)); !engine.Gone(err) {
			return nil
		}
	}
	return s
}

// inSandbox returns the objects of a sandbox, or nil if there are none.
func (d *Driver) inSandbox(ctx context.Context, id string) (*engine.Objects, error) {
	found, err := d.eng.Ours(ctx, label.Sandbox+"="+id)
	return found[id], err
}

// finishes names the slots of processes that remove ended jobs' sandboxes, and finishesAtOnce is
// their number. An engine that gets hundreds of removals at once fails at some of them.
const (
	finishes       = "finish"
	finishesAtOnce = 16
)

// CleanupPatiently is Cleanup for the last process that cares for the job. It waits for other
// jobs' removals and for an engine that restarts, and tries again for minutes while the engine
// fails. rest says that some volumes resist their removal, and wait for FreeStuck. Sandboxes that
// Hold holds stay.
func (d *Driver) CleanupPatiently(ctx context.Context, job string) (rest bool, err error) {
	rest, err = d.cleanupInTurn(ctx, job)
	for _, gap := range d.bounds.FinishGaps {
		if err == nil || !bounds.Pause(ctx, gap) {
			break
		}
		rest, err = d.cleanupInTurn(ctx, job)
	}
	return rest, err
}

// cleanupInTurn is a single try of CleanupPatiently.
func (d *Driver) cleanupInTurn(ctx context.Context, job string) (rest bool, err error) {
	free := d.locks.Slot(ctx, finishes, finishesAtOnce, d.bounds.FinishSlot)
	defer free()
	hangs := time.AfterFunc(d.bounds.FinishTurn, free)
	defer hangs.Stop()
	err = d.patiently(ctx, func() error {
		found, err := d.notHeld(ctx, job)
		if err == nil {
			rest, err = d.cleanup(ctx, slices.Sorted(maps.Keys(found)))
		}
		return err
	})
	return rest, err
}

// FinishEnded removes the sandboxes of all ended jobs, and returns how many it found. Other
// processes may be removing them at the same time.
func (d *Driver) FinishEnded(ctx context.Context) (int, error) {
	marks, err := d.eng.Volumes(ctx, label.Role+"="+string(plan.RoleEnded))
	if err != nil {
		return 0, d.eng.Explain("looking for jobs that have ended", err)
	}
	var ids []string
	for _, v := range marks {
		if id := v.Labels[label.Sandbox]; id != "" {
			ids = append(ids, id)
		}
	}
	_, err = d.cleanup(ctx, ids)
	return len(ids), err
}

// notHeld returns a job's sandboxes by id, without held sandboxes.
func (d *Driver) notHeld(ctx context.Context, job string) (map[string]*engine.Objects, error) {
	found, err := d.eng.OfJob(ctx, job)
	maps.DeleteFunc(found, func(_ string, s *engine.Objects) bool {
		until, held := sandbox.HeldUntil(s)
		return held && time.Now().Before(until)
	})
	return found, err
}

// patiently repeats do while the engine restarts.
func (d *Driver) patiently(ctx context.Context, do func() error) error {
	end := time.Now().Add(d.bounds.EngineAbsence)
	var absent error
	for {
		err := do()
		if absent != nil && errors.Is(err, context.DeadlineExceeded) {
			return absent // says more than a deadline
		}
		if err == nil || !engine.Unreachable(err) || time.Now().After(end) || !bounds.Pause(ctx, d.bounds.EngineGap) {
			return err
		}
		absent = err
	}
}

// hasLayers tells whether a job's sandbox may have had a cached data root.
func hasLayers(s *engine.Objects) bool {
	return slices.ContainsFunc(s.Containers, func(c engine.Object) bool { return c.Labels[label.Layers] != "" })
}

// Cleanup removes every sandbox of a job, also a held sandbox. It is idempotent: missing
// objects count as removed. The caller passes a context of its own, which outlives the job.
func (d *Driver) Cleanup(ctx context.Context, job string) error {
	ids, err := d.eng.OfJob(ctx, job)
	if err == nil {
		_, err = d.cleanup(ctx, slices.Sorted(maps.Keys(ids)))
	}
	return err
}

// sideBySide is how many sandboxes are removed at the same time.
const sideBySide = 4

// cleanup removes sandboxes side by side. rest says that some sandboxes have lost all but
// volumes that resist removal.
func (d *Driver) cleanup(ctx context.Context, ids []string) (rest bool, err error) {
	ctx, end := span.Begin(ctx, "remove the job's sandboxes")
	defer end()
	errs := make([]error, len(ids))
	var g group.Group
	g.SetLimit(sideBySide)
	for i, id := range ids {
		g.Go(func() error {
			errs[i] = d.removal.Sandbox(ctx, id)
			return nil
		})
	}
	_ = g.Wait() // all errors are in errs
	for i, err := range errs {
		if removal.AllStuck(err) { // the volumes have marks, and the network is gone
			rest, errs[i] = true, nil
		}
	}
	return rest, errors.Join(errs...)
}
