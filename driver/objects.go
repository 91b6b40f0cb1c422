package driver

import (
	"context"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

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
func (d *Driver) list(ctx context.Context, filter filters.Args) (map[string]*sandboxObjects, error) {
	if err := d.greet(ctx); err != nil {
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
	var containers []container.Summary
	var volumes, named volume.ListResponse
	g, gctx := group.WithContext(ctx)
	g.Go(func() (err error) {
		containers, err = d.api.ContainerList(gctx, container.ListOptions{All: true, Filters: filter})
		return err
	})
	g.Go(func() (err error) {
		volumes, err = d.api.VolumeList(gctx, volume.ListOptions{Filters: filter})
		return err
	})
	if names := namesFor(filter); names != "" {
		g.Go(func() (err error) {
			named, err = d.api.VolumeList(gctx, volume.ListOptions{Filters: filters.NewArgs(filters.Arg("name", names))})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, d.explain("listing what is ours", err)
	}
	networks, err := d.api.NetworkList(ctx, network.ListOptions{Filters: filter})
	if err != nil {
		return nil, d.explain("listing what is ours", err)
	}
	for _, c := range containers {
		name := ""
		if len(c.Names) > 0 {
			name = strings.TrimPrefix(c.Names[0], "/")
		}
		s := of(c.Labels)
		s.containers = append(s.containers, object{
			ref: c.ID, name: name, role: plan.Role(c.Labels[label.Role]), labels: c.Labels,
			running: c.State == container.StateRunning || c.State == container.StatePaused, ended: c.State == container.StateExited || c.State == container.StateDead,
		})
	}
	for _, v := range volumes.Volumes {
		s := of(v.Labels)
		s.volumes = append(s.volumes, object{ref: v.Name, name: v.Name, role: plan.Role(v.Labels[label.Role]), labels: v.Labels})
	}
	for _, v := range named.Volumes {
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
func namesFor(filter filters.Args) string {
	for _, l := range filter.Get("label") {
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
	return d.list(ctx, labelled(label.Job+"="+job))
}

// labelled filters for labels, each a key or key=value.
func labelled(keyOrPair ...string) filters.Args {
	f := filters.NewArgs()
	for _, l := range keyOrPair {
		f.Add("label", l)
	}
	return f
}
