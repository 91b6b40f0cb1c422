package driver

import (
	"context"
	"errors"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

// ErrGone says that a job has no container any more, or never had one.
var ErrGone = errors.New("the job's container is gone")

// jobContainers are those that the run hook has to do with.
type jobContainers struct {
	job engine.Container
	// sandbox is the one that it is in.
	sandbox string
	// helper is a name or an id.
	helper string
}

// containersOf finds a job's containers by its label: all that the run hook has
// to go by. A helper that the job's claim has added, which has the job's cache,
// comes before its sandbox's.
func (d *Driver) containersOf(ctx context.Context, job string) (jobContainers, error) {
	var found jobContainers
	if err := d.eng.Greet(ctx); err != nil {
		return found, err
	}
	list, err := d.eng.Containers(ctx, label.Job+"="+job)
	if err != nil {
		return found, d.eng.Explain("looking for the job's container", err)
	}
	for _, c := range list {
		switch plan.Role(c.Labels[label.Role]) {
		case plan.RoleJob:
			found.job, found.sandbox = c, c.Labels[label.Sandbox]
		case plan.RoleHelper:
			found.helper = c.ID
		}
	}
	if found.job.ID == "" {
		return found, fault.System(ErrGone,
			"something removed it: a `docker prune` on this host, or a second cleanup")
	}
	if found.helper == "" {
		found.helper = label.ObjectName(found.sandbox, plan.RoleHelper)
	}
	return found, nil
}

// jobContainer finds a job's own container and its sandbox.
func (d *Driver) jobContainer(ctx context.Context, job string) (id, sandbox string, err error) {
	found, err := d.containersOf(ctx, job)
	return found.job.ID, found.sandbox, err
}

// sidecarOf finds a job's sidecar; "" when it is gone.
func (d *Driver) sidecarOf(ctx context.Context, job string) (id string, err error) {
	_, sandbox, err := d.jobContainer(ctx, job)
	if err != nil {
		return "", err
	}
	c, err := d.sidecarIn(ctx, sandbox)
	return c.ID, err
}

// sidecarIn finds a sandbox's sidecar, whose name depends on its data root; the
// zero value when it is gone.
func (d *Driver) sidecarIn(ctx context.Context, sandbox string) (engine.Container, error) {
	found, err := d.eng.Containers(ctx, label.Sandbox+"="+sandbox, label.Role+"="+string(plan.RoleSidecar))
	if err != nil || len(found) == 0 {
		return engine.Container{}, d.eng.Explain("looking for the job's docker daemon", err)
	}
	return found[0], nil
}
