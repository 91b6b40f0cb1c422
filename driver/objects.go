package driver

import (
	"context"
	"strings"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/group"
)

// object is a container, a network or a volume of ours as the engine lists it.
type object struct {
	// ref is what the engine takes to remove it: an id, for volumes a name.
	ref  string
	name string
	role plan.Role
	// labels are all that the object carries.
	labels map[string]string
	// running and ended are for containers; one that was never started is neither.
	// One that is paused runs: it must be ended before its network can go.
	running, ended bool
}

// sandboxObjects are all objects with one sandbox's label.
type sandboxObjects struct {
	id         string
	containers []object
	volumes    []object
	networks   []object
}

// list finds the objects that match a filter, by sandbox. Containers and
// volumes are listed before networks: a sandbox's network is made first, so
// whatever is seen here without its network has lost it.
func (d *Driver) list(ctx context.Context, labels ...string) (map[string]*sandboxObjects, error) {
	if err := d.eng.Greet(ctx); err != nil {
		return nil, err
	}
	found := map[string]*sandboxObjects{}
	of := func(l map[string]string) *sandboxObjects {
		id := l[label.Sandbox]
		if found[id] == nil {
			found[id] = &sandboxObjects{id: id}
		}
		return found[id]
	}
	var containers []engine.Container
	var volumes, named []*engine.Volume
	g, gctx := group.WithContext(ctx)
	g.Go(func() (err error) {
		containers, err = d.eng.Containers(gctx, labels...)
		return err
	})
	g.Go(func() (err error) {
		volumes, err = d.eng.Volumes(gctx, labels...)
		return err
	})
	if names := namesFor(labels); names != "" {
		g.Go(func() (err error) {
			named, err = d.eng.VolumesNamed(gctx, names)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, d.eng.Explain("listing what is ours", err)
	}
	networks, err := d.eng.Networks(ctx, labels...)
	if err != nil {
		return nil, d.eng.Explain("listing what is ours", err)
	}
	for _, c := range containers {
		s := of(c.Labels)
		s.containers = append(s.containers, object{
			ref: c.ID, name: c.Name, role: plan.Role(c.Labels[label.Role]), labels: c.Labels,
			running: c.State == engine.Running || c.State == engine.Paused, ended: c.State == engine.Exited || c.State == engine.Dead,
		})
	}
	for _, v := range volumes {
		s := of(v.Labels)
		s.volumes = append(s.volumes, object{ref: v.Name, name: v.Name, role: plan.Role(v.Labels[label.Role]), labels: v.Labels})
	}
	for _, v := range named {
		if n, is := lost(v); is && n.Sandbox != "" {
			s := of(map[string]string{label.Sandbox: n.Sandbox})
			s.volumes = append(s.volumes, object{ref: v.Name, name: v.Name, role: n.Role})
		}
	}
	for _, n := range networks {
		s := of(n.Labels)
		s.networks = append(s.networks, object{ref: n.ID, name: n.Name, role: plan.Role(n.Labels[label.Role]), labels: n.Labels})
	}
	return found, nil
}

// namesFor is the filter of names for the volumes of the sandboxes that a filter
// is about: an engine drops the labels of a volume that it was to remove by force
// and could not. A filter by other labels is about no sandbox.
func namesFor(labels []string) string {
	for _, l := range labels {
		switch key, sandbox, one := strings.Cut(l, "="); {
		case key != label.Sandbox:
		case one:
			return label.NamesOf(sandbox)
		default:
			return label.NamesOf("")
		}
	}
	return ""
}

// ofJob finds the sandboxes of a job, by id, with those of their objects that
// carry its label.
func (d *Driver) ofJob(ctx context.Context, job string) (map[string]*sandboxObjects, error) {
	return d.list(ctx, label.Job+"="+job)
}
