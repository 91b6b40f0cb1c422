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
		found, err := d.notHeld(ctx, job)
		if err != nil {
			return err
		}
		for _, id := range slices.Sorted(maps.Keys(found)) {
			ended.Sandboxes, ended.Layers = true, ended.Layers || hasLayers(found[id])
			if err := d.endSandbox(ctx, id, job); err != nil {
				return err
			}
		}
		return nil
	})
	return ended, err
}

// endSandbox marks one sandbox, and then kills what runs in it.
func (d *Driver) endSandbox(ctx context.Context, id, job string) error {
	if _, err := d.eng.CreateVolume(ctx, label.ObjectName(id, plan.RoleEnded), label.ForEnded(id, job)); err != nil {
		return d.eng.Explain("marking the job as ended", err)
	}
	found, err := d.eng.Ours(ctx, label.Sandbox+"="+id)
	if err != nil || found[id] == nil {
		return err
	}
	d.removal.Kill(ctx, found[id])
	return nil
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
