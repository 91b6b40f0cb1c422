package driver

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/removal"
	"gitlab-dind-executor/driver/sandbox"
	"gitlab-dind-executor/driver/span"
)

// Sweep finds what no living job owns and removes it, unless dryRun. bound is
// how long a prepare may take at most. The answer lists all sandboxes there
// are, by id; the error joins what could not be looked at or removed.
func (d *Driver) Sweep(ctx context.Context, now time.Time, bound time.Duration, dryRun bool) ([]sandbox.Verdict, error) {
	ctx, end := span.Begin(ctx, "sweep")
	defer end()
	found, err := d.eng.Ours(ctx, label.Sandbox)
	if err != nil {
		return nil, err
	}
	rules := sandbox.RulesHere(now, bound)
	var verdicts []sandbox.Verdict
	errs := []error{d.removal.SweepPrograms(ctx, rules, dryRun)}
	for _, id := range slices.Sorted(maps.Keys(found)) {
		s := found[id]
		if id == "" || sandbox.Outlives(s) {
			continue
		}
		fate, reason := rules.Verdict(s)
		if fate == sandbox.Swept {
			// Between the first look and the verdict a hook may have finished its
			// sandbox and ended. What a dead process made is seen by a look that
			// begins after its death.
			again, err := d.eng.Ours(ctx, label.Sandbox+"="+id)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			if s = again[id]; s == nil {
				continue
			}
			fate, reason = rules.Verdict(s)
		}
		v := sandbox.Judged(s, fate, reason)
		if fate == sandbox.Swept && !dryRun {
			err := d.removeSwept(ctx, s)
			v.Failed = err != nil
			errs = append(errs, err)
		}
		verdicts = append(verdicts, v)
	}
	if !dryRun {
		errs = append(errs, d.removal.DropMarks(ctx), d.images.ForgetSilences(ctx, now))
		d.locks.ForgetBefore(begunPrefix, now.Add(-begunFor))
	}
	return verdicts, errors.Join(errs...)
}

// removeSwept removes a sandbox. One that no job has taken may be taken at this
// very moment, so it is claimed before.
func (d *Driver) removeSwept(ctx context.Context, s *engine.Objects) error {
	if len(s.Networks) > 0 && sandbox.ClaimOf(s) == nil {
		return d.retire(ctx, s.Sandbox)
	}
	return d.removal.Sandbox(ctx, s.Sandbox)
}

// Noted is how many volumes this connection found stuck that nobody had before.
// Whoever found some lets FreeStuck follow, behind the job.
func (d *Driver) Noted() int { return d.removal.Noted() }

// Stuck lists the volumes that could not be removed, and those of no sandbox that
// have lost their labels.
func (d *Driver) Stuck(ctx context.Context) ([]removal.StuckVolume, error) {
	return d.removal.Stuck(ctx)
}

// FreeStuck removes what Stuck lists, unless dryRun. The answer lists what was
// removed, or would be, and how many resist still; the error joins what keeps them.
func (d *Driver) FreeStuck(ctx context.Context, dryRun bool) (freed []removal.StuckVolume, failed int, err error) {
	return d.removal.FreeStuck(ctx, dryRun)
}
