package driver

import (
	"bytes"
	"context"
	"io"
	"time"

	"github.com/docker/docker/api/types/container"

	"gitlab-dind-executor/driver/plan"
)

// RunHelper runs a script of the helper side in the job's helper, after the
// check of the Runner's program, if any. It returns the script's exit code. When
// ctx ends, so does the script.
func (d *Driver) RunHelper(ctx context.Context, job string, check *plan.ToolCheck, script []byte, out io.Writer) (int, error) {
	_, sandbox, err := d.jobContainer(ctx, job)
	if err != nil {
		return 0, err
	}
	helper, err := d.helperOf(ctx, job, sandbox)
	if err != nil {
		return 0, err
	}
	code, err := d.exec(ctx, helper, plan.HelperStage(check), bytes.NewReader(script), out)
	if ctx.Err() != nil {
		d.endStage(context.WithoutCancel(ctx), helper)
		return 0, ctx.Err()
	}
	return code, err
}

// helperOf finds a job's helper: the one that its claim has added, which has the
// job's cache, before its sandbox's.
func (d *Driver) helperOf(ctx context.Context, job, sandbox string) (string, error) {
	added, err := d.api.ContainerList(ctx, container.ListOptions{
		All: true, Filters: labelled(labelJob+"="+job, labelRole+"="+string(plan.RoleHelper)),
	})
	switch {
	case err != nil:
		return "", d.explain("looking for the job's helper", err)
	case len(added) > 0:
		return added[0].ID, nil
	}
	return objectName(sandbox, plan.RoleHelper), nil
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
