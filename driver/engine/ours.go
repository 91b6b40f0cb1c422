package engine

import (
	"context"
	"strings"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/group"
)

// Object is a container, a network or a volume of this program.
type Object struct {
	// Ref is the engine's key for a removal: an id, or a volume's name.
	Ref  string
	Name string
	Role plan.Role
	// Labels are all labels of the object.
	Labels map[string]string
	// Running and Ended are for containers; both are false before the first start. A paused
	// container counts as running, since only its end lets the network go.
	Running, Ended bool
}

// Objects are all objects with one sandbox's label.
type Objects struct {
	Sandbox    string
	Containers []Object
	Volumes    []Object
	Networks   []Object
}

// Ours finds the objects with the labels, by sandbox. Containers and volumes are listed before
// networks. A sandbox's network is made first, so an object in the answer without a network has
// lost it.
func (e *Engine) Ours(ctx context.Context, labels ...string) (map[string]*Objects, error) {
	if err := e.Greet(ctx); err != nil {
		return nil, err
	}
	found := map[string]*Objects{}
	of := func(l map[string]string) *Objects {
		id := l[label.Sandbox]
		if found[id] == nil {
			found[id] = &Objects{Sandbox: id}
		}
		return found[id]
	}
	var containers []Container
	var volumes, named []*Volume
	g, gctx := group.WithContext(ctx)
	g.Go(func() (err error) {
		containers, err = e.Containers(gctx, labels...)
		return err
	})
	g.Go(func() (err error) {
		volumes, err = e.Volumes(gctx, labels...)
		return err
	})
	if names := namesFor(labels); names != "" {
		g.Go(func() (err error) {
			named, err = e.VolumesNamed(gctx, names)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, e.Explain("listing what is ours", err)
	}
	networks, err := e.Networks(ctx, labels...)
	if err != nil {
		return nil, e.Explain("listing what is ours", err)
	}
	for _, c := range containers {
		s := of(c.Labels)
		s.Containers = append(s.Containers, ObjectOf(c))
	}
	for _, v := range volumes {
		s := of(v.Labels)
		s.Volumes = append(s.Volumes, Object{Ref: v.Name, Name: v.Name, Role: plan.Role(v.Labels[label.Role]), Labels: v.Labels})
	}
	for _, v := range named {
		if n, is := Lost(v); is && n.Sandbox != "" {
			s := of(map[string]string{label.Sandbox: n.Sandbox})
			s.Volumes = append(s.Volumes, Object{Ref: v.Name, Name: v.Name, Role: n.Role})
		}
	}
	for _, n := range networks {
		s := of(n.Labels)
		s.Networks = append(s.Networks, Object{Ref: n.ID, Name: n.Name, Role: plan.Role(n.Labels[label.Role]), Labels: n.Labels})
	}
	return found, nil
}

// ObjectOf is a container as an object.
func ObjectOf(c Container) Object {
	return Object{
		Ref: c.ID, Name: c.Name, Role: plan.Role(c.Labels[label.Role]), Labels: c.Labels,
		Running: c.State == Running || c.State == Paused, Ended: c.State == Exited || c.State == Dead,
	}
}

// namesFor is a pattern for the names of volumes of the sandboxes in a filter. Names matter
// because an engine drops a volume's labels when a removal by force fails. For a filter without a
// sandbox the answer is empty.
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

// OfJob finds a job's sandboxes, by id, with those of their objects that carry the job's label.
func (e *Engine) OfJob(ctx context.Context, job string) (map[string]*Objects, error) {
	return e.Ours(ctx, label.Job+"="+job)
}
