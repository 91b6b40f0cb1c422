package driver

import (
	"context"
	"errors"
	"time"

	"gitlab-dind-executor/driver/host"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/span"
	"gitlab-dind-executor/fault"
)

// Admit returns when this host has as much free as the settings demand. It fails when the
// settings' wait is over. dataRoot is the folder where a local engine keeps its data.
// Before the job waits, held sandboxes of failed jobs are removed. If disk is still short,
// unused layers are removed, too. say gets a line for each removal and for the wait.
func (d *Driver) Admit(ctx context.Context, want plan.Demand, dataRoot string, say func(string)) error {
	ctx, end := span.Begin(ctx, "admission")
	defer end()
	look := func() plan.Free { return d.free(dataRoot) }
	done := func(dropped bool, err error) bool { return dropped && err == nil } // a wait that was cut short ends in an error
	return admit(ctx, want, d.bounds.AdmissionEvery, func() plan.Free {
		free := makeRoom(func(f plan.Free) bool { return plan.Lacks(want.Admission, f) != "" }, look,
			func() bool { return done(d.dropHeld(ctx)) }, "the host is short of room: the held sandbox of a failed job is removed", say)
		if !plan.LacksDisk(want.Admission, free) {
			return free
		}
		return makeRoom(func(f plan.Free) bool { return plan.LacksDisk(want.Admission, f) }, look,
			func() bool { return done(d.Layers.DropLayers(ctx, time.Now())) }, "the disk is short: layers of other jobs are removed", say)
	}, say)
}

// AwaitRoom is Admit without removals.
func (d *Driver) AwaitRoom(ctx context.Context, want plan.Demand, dataRoot string, say func(string)) error {
	ctx, end := span.Begin(ctx, "admission")
	defer end()
	return admit(ctx, want, d.bounds.AdmissionEvery, func() plan.Free { return d.free(dataRoot) }, say)
}

// HasRoom is Admit for background work such as filling the pool: it neither waits nor
// removes anything.
func (d *Driver) HasRoom(ctx context.Context, want plan.Demand, dataRoot string) error {
	want.Wait = 0
	return admit(ctx, want, d.bounds.AdmissionEvery, func() plan.Free { return d.free(dataRoot) }, func(string) {})
}

// makeRoom calls drop while the host is short, and returns the room that is free then. say
// gets line after each drop.
func makeRoom(short func(plan.Free) bool, look func() plan.Free, drop func() bool, line string, say func(string)) plan.Free {
	free := look()
	for short(free) && drop() {
		say(line)
		free = look()
	}
	return free
}

func admit(ctx context.Context, want plan.Demand, every time.Duration, look func() plan.Free, say func(string)) error {
	free := look()
	lacks := plan.Lacks(want.Admission, free)
	if lacks == "" {
		return nil
	}
	if want.Wait > 0 {
		say("waiting: " + lacks)
		began := time.Now()
		bound := time.NewTimer(want.Wait.Std())
		defer bound.Stop()
		tick := time.NewTicker(every)
		defer tick.Stop()
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-bound.C:
				waiting = false
			case <-tick.C:
			}
			free = look()
			if lacks = plan.Lacks(want.Admission, free); lacks == "" {
				say("waited " + time.Since(began).Round(time.Second).String())
				return nil
			}
		}
	}
	return fault.System(errors.New("this runner's host is too full to begin: "+lacks), want.Remedy(free))
}

// free measures the free room of the engine's host; -1 where the engine is on another host.
func (d *Driver) free(dataRoot string) plan.Free {
	if !d.eng.Local() {
		return plan.Free{Disk: -1, Memory: -1}
	}
	return host.Free(dataRoot)
}

// Free returns the free room of the engine's host. Fields are -1 where the host cannot know
// them, as with an engine on another host.
func (d *Driver) Free(ctx context.Context) (plan.Free, error) {
	if !d.eng.Local() {
		return plan.Free{Disk: -1, Memory: -1}, nil
	}
	info, err := d.eng.Info(ctx)
	if err != nil {
		return plan.Free{}, d.eng.Explain("asking the engine", err)
	}
	return d.free(info.DataRoot), nil
}
