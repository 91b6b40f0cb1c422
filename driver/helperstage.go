package driver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/containerd/errdefs"

	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

// RunHelper runs a script of the helper side in the job's helper, after the
// check of the Runner's program, if any. It returns the script's exit code. When
// ctx ends, so does the script.
func (d *Driver) RunHelper(ctx context.Context, job string, check *plan.ToolCheck, script []byte, out io.Writer) (int, error) {
	found, err := d.containersOf(ctx, job)
	if err != nil {
		return 0, err
	}
	code, err := d.exec(ctx, found.helper, plan.HelperStage(check), bytes.NewReader(script), out)
	if ctx.Err() != nil {
		d.endStage(context.WithoutCancel(ctx), found.helper)
		return 0, ctx.Err()
	}
	if errdefs.IsConflict(err) {
		return 0, fault.System(fmt.Errorf("the job's helper, which clones and caches, does not run any more: %w", err),
			"something ended it: a restart of the docker engine, or a docker kill on this host")
	}
	if errors.As(err, new(brokenOff)) {
		d.endStage(ctx, found.helper) // or it would be in the way of the next attempt
	}
	return code, err
}

// endStage ends every process of the helper but its first, which goes on
// waiting for the next stage.
func (d *Driver) endStage(ctx context.Context, helper string) {
	ctx, cancel := context.WithTimeout(ctx, endWait)
	defer cancel()
	d.signalAll(ctx, helper, "TERM")
	grace := time.NewTimer(termWait / 3)
	defer grace.Stop()
	select {
	case <-grace.C:
	case <-ctx.Done():
	}
	d.signalAll(ctx, helper, "KILL")
}
