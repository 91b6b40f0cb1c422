package driver

import (
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"time"

	"gitlab-dind-executor/driver/bounds"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/removal"
	"gitlab-dind-executor/driver/sandbox"
	"gitlab-dind-executor/driver/span"
)

// Cleanup removes every sandbox of a job. It is idempotent: what is not there
// is removed. Run it with a context of its own.
func (d *Driver) Cleanup(ctx context.Context, job string) error {
	ids, err := d.eng.OfJob(ctx, job)
	if err == nil {
		_, err = d.cleanup(ctx, slices.Sorted(maps.Keys(ids)), time.Hour) // ctx ends before
	}
	return err
}

// CleanupPatiently is Cleanup for the hook, after which nobody comes: it waits
// for an engine that restarts, but no longer, since the job's status waits too.
// Nor does it wait until gigabytes are removed, or until a volume that resists is
// emptied: rest says that work is left for gc. That is objects whose network is
// gone, which any sweep removes, and layers to clear. The caller sees to it that
// one comes at once. What Hold holds stays.
func (d *Driver) CleanupPatiently(ctx context.Context, job string) (rest bool, err error) {
	end := time.Now().Add(d.bounds.EngineAbsence)
	var absent error
	for {
		var ids []string
		layers := false
		found, err := d.eng.OfJob(ctx, job)
		for id, s := range found {
			layers = layers || hasLayers(s)
			if until, held := sandbox.HeldUntil(s); !held || !time.Now().Before(until) {
				ids = append(ids, id)
			}
		}
		if err == nil {
			rest, err = d.cleanup(ctx, ids, d.bounds.RestPatience)
			rest = rest || layers
		}
		if absent != nil && errors.Is(err, context.DeadlineExceeded) {
			return false, absent // which says more than that the time is over
		}
		if err != nil {
			absent = err
		}
		if err == nil || !engine.Unreachable(err) || time.Now().After(end) || !bounds.Pause(ctx, d.bounds.EngineGap) {
			return rest, err
		}
	}
}

// hasLayers tells whether a job's sandbox may have had a cached data root.
func hasLayers(s *engine.Objects) bool {
	return slices.ContainsFunc(s.Containers, func(c engine.Object) bool { return c.Labels[label.Layers] != "" })
}

// cleanup removes sandboxes side by side, and gives up patience after
// the last of them has lost its network. Of the requests that are cut off then,
// the engine carries out the one that it works at and forgets those that wait
// behind it.
func (d *Driver) cleanup(ctx context.Context, ids []string, patience time.Duration) (rest bool, err error) {
	ctx, end := span.Begin(ctx, "remove the job's sandboxes")
	defer end()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	orphans, ends := make(chan struct{}, len(ids)), make(chan error, len(ids))
	for _, id := range ids {
		go func() {
			first := true
			ends <- d.removal.Sandbox(ctx, id, func() {
				if first {
					orphans <- struct{}{}
				}
				first = false
			})
		}()
	}
	var errs []error
	var late bool
	var enough <-chan time.Time
	for orphaned := 0; len(errs) < len(ids); {
		select {
		case err := <-ends:
			if removal.AllStuck(err) { // they have marks, and its network is gone
				rest, err = true, nil
			}
			errs = append(errs, err)
		case <-orphans:
			if orphaned++; orphaned == len(ids) {
				timer := time.NewTimer(patience)
				defer timer.Stop()
				enough = timer.C
			}
		case <-enough:
			late, enough = true, nil
			cancel()
		}
	}
	if late {
		return true, nil // a fault of the rest is the sweep's to tell
	}
	return rest, errors.Join(errs...)
}

// Await waits for an engine that restarts, up to 20 s, before anything has been
// made: a hook that came a moment too early need not fail. say hears of it. An
// engine that refuses this user is not waited for.
func (d *Driver) Await(ctx context.Context, say func(string)) error {
	end := time.Now().Add(d.bounds.EngineAbsence)
	var absent error
	for told := false; ; told = true {
		err := d.eng.Greet(ctx)
		if absent != nil && errors.Is(err, context.DeadlineExceeded) {
			return absent // which says more than that the time is over
		}
		if err == nil || !engine.Unreachable(err) || errors.Is(err, os.ErrPermission) || time.Now().After(end) {
			return err
		}
		absent = err
		if !told {
			say("the docker engine does not answer, waiting for it")
		}
		if !bounds.Pause(ctx, d.bounds.EngineGap) {
			return err
		}
	}
}
