package driver

import (
	"cmp"
	"context"
	"fmt"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

// rest lets nothing of a held sandbox run: its job container is ended, all others
// are paused. What cannot be paused is ended, too.
func (d *Driver) rest(ctx context.Context, sandbox string) error {
	list, err := d.containersIn(ctx, sandbox)
	if err != nil {
		return err
	}
	return each(ctx, list, func(ctx context.Context, o object) error {
		if o.role != plan.RoleJob {
			c, err := d.eng.Container(ctx, o.ref)
			if err == nil && c.Paused || d.eng.Pause(ctx, o.ref) == nil {
				return nil
			}
		}
		_ = d.eng.Kill(ctx, o.ref, "KILL") // the next look tells
		c, err := d.eng.Container(ctx, o.ref)
		if engine.Gone(err) || err == nil && (!c.Running || c.Paused) {
			return nil
		}
		return fault.System(fmt.Errorf("container %s cannot be ended: %w", o.name, cmp.Or(err, engine.ErrNonsense)), "")
	})
}

// wake lets the containers of a held sandbox go on.
func (d *Driver) wake(ctx context.Context, sandbox string) error {
	list, err := d.containersIn(ctx, sandbox)
	if err != nil {
		return err
	}
	return each(ctx, list, func(ctx context.Context, o object) error {
		c, err := d.eng.Container(ctx, o.ref)
		if err != nil || !c.Paused {
			return d.eng.Explain("looking at container "+o.name, err)
		}
		return d.eng.Explain("letting container "+o.name+" go on", d.eng.Unpause(ctx, o.ref))
	})
}

// looked puts a held sandbox to rest again, unless somebody else looks into it.
func (d *Driver) looked(ctx context.Context, sandbox string) {
	ctx, cancel := d.clearing(ctx)
	defer cancel()
	list, err := d.containersIn(ctx, sandbox)
	if err != nil {
		return // its time ends in any case
	}
	for _, o := range list {
		if c, err := d.eng.Container(ctx, o.ref); err == nil && c.Execs > 0 && c.Running {
			return
		}
	}
	_ = d.rest(ctx, sandbox) // its time ends in any case
}

// containersIn are the containers of a sandbox that run or are paused.
func (d *Driver) containersIn(ctx context.Context, sandbox string) ([]object, error) {
	found, err := d.list(ctx, label.Sandbox+"="+sandbox)
	if err != nil || found[sandbox] == nil {
		return nil, err
	}
	var list []object
	for _, o := range found[sandbox].containers {
		if o.running {
			list = append(list, o)
		}
	}
	return list, nil
}
