package driver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

const (
	// grantBound limits a container that only tries its rights.
	grantBound = 30 * time.Second
	// grantTries is how often the try is repeated if a sweep removes the container, which
	// is an orphan for the sweep.
	grantTries = 3
)

// errSwept says that a container was removed while it tried its rights.
var errSwept = errors.New("something removed a container that tries its rights")

// Grants returns nil if engine and host let a container of the sidecar's image run with the
// rights of the plan's sidecar. The engine must already have the image.
func (d *Driver) Grants(ctx context.Context, p *plan.Plan) error {
	img, err := d.image(ctx, p, p.Sidecar.Image, func(string) {}) // it is there
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, grantBound)
	defer cancel()
	for range grantTries {
		if err = d.grant(ctx, p.In(label.NewSandboxID()), img); !errors.Is(err, errSwept) {
			return err
		}
	}
	return err
}

// grant tries the rights in a new container.
func (d *Driver) grant(ctx context.Context, p *plan.Plan, img engine.Image) error {
	c := p.Sidecar.Container
	c.Entrypoint, c.Command = []string{"sh", "-c", tryRights(p.Sidecar)}, nil
	name := label.ObjectName(p.Sandbox, plan.RoleScratch)
	spec := engine.SpecOf(p, c, name, label.InSandbox(p.Sandbox, plan.RoleScratch), img).Alone(img)
	id, err := d.eng.Create(ctx, spec)
	if err != nil {
		return createFault(p.Sidecar.Container, err)
	}
	defer func() {
		ctx, cancel := d.bounds.Clearing(ctx)
		defer cancel()
		// A sweep finds the container as an orphan if this fails.
		_ = d.removal.Container(ctx, engine.Object{Ref: id, Name: name})
	}()
	exits, errs := d.eng.Wait(ctx, id, engine.NextExit)
	if err := d.start(p.Sidecar.Container)(ctx, id); err != nil {
		if engine.Gone(err) {
			return errSwept
		}
		return err
	}
	select {
	case e := <-exits:
		if e.Code == 137 {
			return errSwept
		}
		if e.Code != 0 {
			return fault.System(fmt.Errorf("a container with the rights of the sidecar ended with code %d%s", e.Code, d.eng.LastLog(ctx, id)),
				"this host does not let an ordinary user make user namespaces: see docs/security.md")
		}
		return nil
	case err := <-errs:
		if engine.Gone(err) {
			return errSwept
		}
		return d.eng.Explain("waiting for a container that tries its rights", err)
	case <-ctx.Done():
		return fmt.Errorf("waiting for a container that tries its rights: %w", ctx.Err())
	}
}

// tryRights returns a command that fails where the kernel refuses rights that the daemon
// needs from the start.
func tryRights(s plan.Sidecar) string {
	if s.Account == nil {
		return "exit 0"
	}
	return "command -v unshare >/dev/null || exit 0; unshare -U true"
}

// refusedRights returns a fault with a hint if the engine refuses the sidecar its rights;
// otherwise nil.
func refusedRights(c plan.Container, err error) error {
	var what string
	switch {
	case c.Role != plan.RoleSidecar:
		return nil
	case c.Privileged:
		what = "a " + config.PrivilegePrivileged + " container"
	case c.Rights.Unconfined:
		what = "a container with the rights of the sidecar"
	default:
		return nil
	}
	if !engine.Refused(err, engine.NoRights) {
		return nil
	}
	return fault.System(fmt.Errorf("the docker engine refuses %s: %w", what, err),
		"allow it on this host (authorization plugins, userns-remap, a rootless engine), or choose another sidecar.privilege in the settings: docs/security.md")
}
