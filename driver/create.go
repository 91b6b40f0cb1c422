package driver

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

// createBound is how long one creation may take on a busy engine; tests
// shorten it.
var createBound = time.Minute

// uncut returns a context for a creation. It outlives its caller's: a request
// that is cut off is carried out all the same, and what it makes would come
// after cleanup has looked.
func uncut(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), createBound)
}

// create creates a container.
func (d *Driver) create(ctx context.Context, c created) (id string, err error) {
	if ctx.Err() != nil {
		return "", fmt.Errorf("creating container %s: %w", c.name, ctx.Err())
	}
	ctx, cancel := uncut(ctx)
	defer cancel()
	r, err := d.api.ContainerCreate(ctx, c.config, c.host, c.network, c.platform, c.name)
	if err != nil {
		return "", d.explain("creating container "+c.name, err)
	}
	return r.ID, nil
}

// createFault tells what the pipeline asked for in vain from faults of the
// engine.
func createFault(c plan.Container, err error) error {
	if err == nil {
		return nil
	}
	if refused := refusedRights(c, err); refused != nil {
		return refused
	}
	if strings.Contains(err.Error(), "Range of CPUs") { // this host has fewer
		return fault.System(err, "lower "+plan.LimitKey(c.Role)+".cpus in the settings")
	}
	// "Unknown runtime specified", from engine 23 on "unknown or invalid runtime name".
	if c.Rights.Runtime != "" && strings.Contains(strings.ToLower(err.Error()), "runtime") {
		return fault.System(fmt.Errorf("the engine has no runtime %q: %w", c.Rights.Runtime, err),
			"install it and name it under \"runtimes\" in the engine's daemon.json, or change sidecar.runtime")
	}
	if !errdefs.IsInvalidArgument(err) || strings.Contains(err.Error(), "capabilit") {
		return err
	}
	err = fmt.Errorf("image %s: %w", c.Image.Name, err)
	admins := c.Role == plan.RoleHelper || c.Role == plan.RoleSidecar && c.Entrypoint == nil && c.Command == nil
	if admins {
		return fault.System(err, "check "+string(c.Role)+".image and what concerns it in the settings")
	}
	return fault.Job(err, "check entrypoint, command and user in the pipeline")
}

// start returns what starts a container of the plan.
func (d *Driver) start(c plan.Container) func(context.Context, string) error {
	return func(ctx context.Context, id string) error {
		err := d.explain("starting the "+string(c.Role)+" container",
			d.api.ContainerStart(ctx, id, container.StartOptions{}))
		if err != nil && strings.Contains(err.Error(), "gathering device information") {
			return fault.System(err, "this host lacks a device that the sidecar needs: load the kernel modules tun and fuse")
		}
		if err != nil {
			if refused := refusedRights(c, err); refused != nil {
				return refused
			}
		}
		return startFault(c.Image.Name, err)
	}
}

// startFault gives the hint for an image that lacks what it is told to run.
func startFault(image string, err error) error {
	switch {
	case err == nil:
		return nil
	case strings.Contains(err.Error(), "executable file not found"), strings.Contains(err.Error(), "no such file or directory"):
		return fault.Job(fmt.Errorf("image %s: %w", image, err),
			"a job's image needs bash or sh in its PATH, and its ENTRYPOINT must exist")
	case strings.Contains(err.Error(), "unable to find user"):
		return fault.Job(fmt.Errorf("image %s: %w", image, err), "the image has no such user")
	}
	return err
}
