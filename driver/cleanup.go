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

// begunPrefix names what this host remembers of jobs whose end it has not seen.
const begunPrefix = "job-"

// begunFor is how long it does: a job is prepared again within minutes.
const begunFor = 24 * time.Hour

func begun(job string) string { return begunPrefix + label.Hashed(job)[:32] }

// BeginAnew removes what an earlier attempt at a job has left. The engine is asked for
// that only where one of this host has begun and its End was not seen, or where this
// host cannot remember: to find a job by its label the engine looks at all that there is.
func (d *Driver) BeginAnew(ctx context.Context, job string) error {
	if d.locks.Recall(begun(job)) == nil && d.locks.Remember(begun(job), []byte("begun\n")) {
		return nil
	}
	return d.Cleanup(ctx, job)
}

// Ended tells what the end of a job has left for Cleanup.
type Ended struct {
	// Sandboxes says that the job had any.
	Sandboxes bool
	// Layers says that one of them may have had a cached data root.
	Layers bool
}

// End is what the status of a job waits for: a mark on each of its sandboxes says
// that the job has ended, and all that runs in them is killed. Both take
// milliseconds, their removal takes longer, and is Cleanup's. The mark comes first:
// from there on no sweep, list or count takes the sandbox for one of a living job,
// whatever happens to this process. End waits for an engine that restarts, since
// nobody comes after the hook that calls it. What Hold holds stays.
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

// endSandbox marks one sandbox, and then kills what runs in it: what look finds.
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

// expectedOf is a job's sandbox as its prepare has left it, by the containers that are
// expected: the engine need not look at those of others. It is nil where anything is
// otherwise. Then another container may have taken the place of one, or the sandbox is
// held, and all of the job is looked for by its label.
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

// inSandbox are the objects of a sandbox; nil where there are none.
func (d *Driver) inSandbox(ctx context.Context, id string) (*engine.Objects, error) {
	found, err := d.eng.Ours(ctx, label.Sandbox+"="+id)
	return found[id], err
}

// CleanupPatiently is Cleanup for whoever comes last: it waits for an engine that
// restarts. rest says that volumes resist their removal, and wait for FreeStuck.
// What Hold holds stays.
func (d *Driver) CleanupPatiently(ctx context.Context, job string) (rest bool, err error) {
	err = d.patiently(ctx, func() error {
		found, err := d.notHeld(ctx, job)
		if err == nil {
			rest, err = d.cleanup(ctx, slices.Sorted(maps.Keys(found)))
		}
		return err
	})
	return rest, err
}

// FinishEnded removes the sandboxes of all jobs that have ended, beside whoever is at
// it, and tells how many there were.
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

// notHeld are a job's sandboxes, by id, without those that are held for a look.
func (d *Driver) notHeld(ctx context.Context, job string) (map[string]*engine.Objects, error) {
	found, err := d.eng.OfJob(ctx, job)
	maps.DeleteFunc(found, func(_ string, s *engine.Objects) bool {
		until, held := sandbox.HeldUntil(s)
		return held && time.Now().Before(until)
	})
	return found, err
}

// patiently does it again while the engine restarts.
func (d *Driver) patiently(ctx context.Context, do func() error) error {
	end := time.Now().Add(d.bounds.EngineAbsence)
	var absent error
	for {
		err := do()
		if absent != nil && errors.Is(err, context.DeadlineExceeded) {
			return absent // which says more than that the time is over
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

// Cleanup removes every sandbox of a job. It is idempotent: what is not there
// is removed. Run it with a context of its own.
func (d *Driver) Cleanup(ctx context.Context, job string) error {
	ids, err := d.eng.OfJob(ctx, job)
	if err == nil {
		_, err = d.cleanup(ctx, slices.Sorted(maps.Keys(ids)))
	}
	return err
}

// sideBySide is how many sandboxes are removed at once.
const sideBySide = 4

// cleanup removes sandboxes side by side. rest says that some have lost all but
// volumes that resist.
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
	_ = g.Wait() // the errors are in errs
	for i, err := range errs {
		if removal.AllStuck(err) { // they have marks, and its network is gone
			rest, errs[i] = true, nil
		}
	}
	return rest, errors.Join(errs...)
}
