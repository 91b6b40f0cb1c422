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

// Sweep removes, unless dryRun, all sandboxes that no living job owns, with their objects.
// bound is the longest time that a prepare may take. The answer lists all sandboxes, sorted
// by id. The error joins all failed looks and removals.
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
			// Between the first look and the verdict, a hook may have finished its sandbox
			// and ended. A look after the death of a process sees all its objects.
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

// removeSwept removes a sandbox. A job may take an unclaimed sandbox at this very moment,
// so removeSwept claims it first.
func (d *Driver) removeSwept(ctx context.Context, s *engine.Objects) error {
	if len(s.Networks) > 0 && sandbox.ClaimOf(s) == nil {
		return d.retire(ctx, s.Sandbox)
	}
	return d.removal.Sandbox(ctx, s.Sandbox)
}

// Noted returns how many volumes this connection was the first to find stuck. If there are
// any, the caller lets FreeStuck follow behind the job.
func (d *Driver) Noted() int { return d.removal.Noted() }

// Stuck lists the volumes that could not be removed, and volumes without a sandbox and
// without labels.
func (d *Driver) Stuck(ctx context.Context) ([]removal.StuckVolume, error) {
	return d.removal.Stuck(ctx)
}

// FreeStuck removes the volumes of Stuck, unless dryRun. freed lists the removed volumes;
// in a dry run, the volumes to be removed. failed is the number of volumes that still
// resist, and err joins the reasons.
func (d *Driver) FreeStuck(ctx context.Context, dryRun bool) (freed []removal.StuckVolume, failed int, err error) {
	return d.removal.FreeStuck(ctx, dryRun)
}
