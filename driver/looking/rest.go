package looking

import (
	"cmp"
	"context"
	"fmt"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/removal"
	"gitlab-dind-executor/fault"
)

// Rest stops everything in a held sandbox: the job container is killed, the others are paused. A
// container that cannot be paused is killed, too.
func (l *Looker) Rest(ctx context.Context, sandbox string) error {
	list, err := l.containersIn(ctx, sandbox)
	if err != nil {
		return err
	}
	return removal.Each(ctx, list, func(ctx context.Context, o engine.Object) error {
		if o.Role != plan.RoleJob {
			c, err := l.eng.Container(ctx, o.Ref)
			if err == nil && c.Paused || l.eng.Pause(ctx, o.Ref) == nil {
				return nil
			}
		}
		_ = l.eng.Kill(ctx, o.Ref, "KILL") // the next look tells
		c, err := l.eng.Container(ctx, o.Ref)
		if engine.Gone(err) || err == nil && (!c.Running || c.Paused) {
			return nil
		}
		return fault.System(fmt.Errorf("container %s cannot be ended: %w", o.Name, cmp.Or(err, engine.ErrNonsense)), "")
	})
}

// wake ends the pause of a held sandbox's containers.
func (l *Looker) wake(ctx context.Context, sandbox string) error {
	list, err := l.containersIn(ctx, sandbox)
	if err != nil {
		return err
	}
	return removal.Each(ctx, list, func(ctx context.Context, o engine.Object) error {
		c, err := l.eng.Container(ctx, o.Ref)
		if err != nil || !c.Paused {
			return l.eng.Explain("looking at container "+o.Name, err)
		}
		return l.eng.Explain("letting container "+o.Name+" go on", l.eng.Unpause(ctx, o.Ref))
	})
}

// looked puts a held sandbox to rest again, unless somebody else is looking inside.
func (l *Looker) looked(ctx context.Context, sandbox string) {
	ctx, cancel := l.bounds.Clearing(ctx)
	defer cancel()
	list, err := l.containersIn(ctx, sandbox)
	if err != nil {
		return // the sandbox's time ends in any case
	}
	for _, o := range list {
		if c, err := l.eng.Container(ctx, o.Ref); err == nil && c.Execs > 0 && c.Running {
			return
		}
	}
	_ = l.Rest(ctx, sandbox) // the sandbox's time ends in any case
}

// containersIn are the containers of a sandbox that run or are paused.
func (l *Looker) containersIn(ctx context.Context, sandbox string) ([]engine.Object, error) {
	found, err := l.eng.Ours(ctx, label.Sandbox+"="+sandbox)
	if err != nil || found[sandbox] == nil {
		return nil, err
	}
	var list []engine.Object
	for _, o := range found[sandbox].Containers {
		if o.Running {
			list = append(list, o)
		}
	}
	return list, nil
}
