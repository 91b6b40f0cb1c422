package sandbox

import (
	"context"
	"errors"
	"slices"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

// ErrGone is returned for a job without a container.
var ErrGone = errors.New("the job's container is gone")

// Finder finds a job's containers by their labels.
type Finder struct{ Engine *engine.Engine }

// Containers are the containers that the run hook uses.
type Containers struct {
	Job engine.Container
	// Sandbox is the id of the job's sandbox.
	Sandbox string
	// Helper is a name or an id.
	Helper string
}

// Of finds a job's containers by its label, since the run hook knows nothing else. A helper added
// by the job's claim, with the job's cache, comes before the sandbox's own.
func (f Finder) Of(ctx context.Context, job string) (Containers, error) {
	var found Containers
	if err := f.Engine.Greet(ctx); err != nil {
		return found, err
	}
	list, err := f.ofJob(ctx, job)
	if err != nil {
		return found, f.Engine.Explain("looking for the job's container", err)
	}
	for _, c := range list {
		switch plan.Role(c.Labels[label.Role]) {
		case plan.RoleJob:
			found.Job, found.Sandbox = c, c.Labels[label.Sandbox]
		case plan.RoleHelper:
			found.Helper = c.ID
		}
	}
	if found.Job.ID == "" {
		return found, fault.System(ErrGone,
			"something removed it: a `docker prune` on this host, or a second cleanup")
	}
	if found.Helper == "" {
		found.Helper = label.ObjectName(found.Sandbox, plan.RoleHelper)
	}
	return found, nil
}

// ofJob are the job's container and a helper of its own. Expected containers are asked for first,
// since this search does not slow down with the number of other containers.
func (f Finder) ofJob(ctx context.Context, job string) ([]engine.Container, error) {
	list, err := f.Engine.Expected(ctx, label.Job+"="+job)
	if err == nil && slices.ContainsFunc(list, func(c engine.Container) bool { return plan.Role(c.Labels[label.Role]) == plan.RoleJob }) {
		return list, nil
	}
	return f.Engine.Containers(ctx, label.Job+"="+job)
}

// JobContainer finds a job's own container and its sandbox.
func (f Finder) JobContainer(ctx context.Context, job string) (id, sandbox string, err error) {
	found, err := f.Of(ctx, job)
	return found.Job.ID, found.Sandbox, err
}

// SidecarOf finds a job's sidecar; "" if the sidecar is gone.
func (f Finder) SidecarOf(ctx context.Context, job string) (id string, err error) {
	_, sandbox, err := f.JobContainer(ctx, job)
	if err != nil {
		return "", err
	}
	c, err := f.SidecarIn(ctx, sandbox)
	return c.ID, err
}

// SidecarIn finds a sandbox's sidecar, whose name depends on its data root. The answer is the
// zero value if the sidecar is gone.
func (f Finder) SidecarIn(ctx context.Context, sandbox string) (engine.Container, error) {
	labels := []string{label.Sandbox + "=" + sandbox, label.Role + "=" + string(plan.RoleSidecar)}
	found, err := f.Engine.Expected(ctx, labels...)
	if err != nil || len(found) == 0 { // a new sidecar may have taken its place
		found, err = f.Engine.Containers(ctx, labels...)
	}
	if err != nil || len(found) == 0 {
		return engine.Container{}, f.Engine.Explain("looking for the job's docker daemon", err)
	}
	return found[0], nil
}
