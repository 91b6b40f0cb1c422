package driver

import (
	"context"
	"errors"

	"github.com/docker/docker/api/types/container"

	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

// ErrGone says that a job has no container any more, or never had one.
var ErrGone = errors.New("the job's container is gone")

// jobContainer finds the container that carries the job's label and its
// sandbox: all that the run hook has to go by.
func (d *Driver) jobContainer(ctx context.Context, job string) (id, sandbox string, err error) {
	if err := d.greet(ctx); err != nil {
		return "", "", err
	}
	found, err := d.api.ContainerList(ctx, container.ListOptions{
		All: true, Filters: labelled(labelJob+"="+job, labelRole+"="+string(plan.RoleJob)),
	})
	switch {
	case err != nil:
		return "", "", d.explain("looking for the job's container", err)
	case len(found) == 0:
		return "", "", fault.System(ErrGone,
			"something removed it: a `docker prune` on this host, or a second cleanup")
	}
	return found[0].ID, found[0].Labels[labelSandbox], nil
}

// sidecarOf finds a job's sidecar, whose name depends on its data root; "" when
// it is gone.
func (d *Driver) sidecarOf(ctx context.Context, job string) (id string, err error) {
	_, sandbox, err := d.jobContainer(ctx, job)
	if err != nil {
		return "", err
	}
	found, err := d.api.ContainerList(ctx, container.ListOptions{
		All: true, Filters: labelled(labelSandbox+"="+sandbox, labelRole+"="+string(plan.RoleSidecar)),
	})
	if err != nil || len(found) == 0 {
		return "", d.explain("looking for the job's docker daemon", err)
	}
	return found[0].ID, nil
}
