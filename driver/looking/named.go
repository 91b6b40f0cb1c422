package looking

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/sandbox"
	"gitlab-dind-executor/fault"
)

// Named is a sandbox by the names that an admin knows.
type Named struct {
	Sandbox string
	// Job is the job's key, instance/id; empty without a job.
	Job string
	// Held: the sandbox is there although its job is over.
	Held bool
}

// String is the sandbox's name in a list.
func (n Named) String() string {
	if n.Job == "" {
		return n.Sandbox
	}
	return n.Sandbox + " (job " + n.Job + ")"
}

// Named lists all sandboxes by id.
func (l *Looker) Named(ctx context.Context) ([]Named, error) {
	found, err := l.eng.Ours(ctx, label.Sandbox)
	if err != nil {
		return nil, err
	}
	var list []Named
	for id, s := range found {
		if id == "" || sandbox.Outlives(s) {
			continue
		}
		n := Named{Sandbox: id}
		if claim := sandbox.ClaimOf(s); claim[label.Job] != label.NoJob {
			n.Job = claim[label.Job]
		}
		_, n.Held = sandbox.HeldUntil(s)
		list = append(list, n)
	}
	slices.SortFunc(list, func(a, b Named) int { return strings.Compare(a.Sandbox, b.Sandbox) })
	return list, nil
}

// Find returns the sandbox for a name: the id of a job or its whole key, else the beginning of a
// sandbox's id.
func (l *Looker) Find(ctx context.Context, name string) (Named, error) {
	all, err := l.Named(ctx)
	if err != nil {
		return Named{}, err
	}
	return find(all, name)
}

func find(all []Named, name string) (Named, error) {
	for _, fits := range []func(Named) bool{
		func(n Named) bool { return n.Sandbox == name || n.Job == name },
		func(n Named) bool { return n.Job != "" && path.Base(n.Job) == name },
		func(n Named) bool { return strings.HasPrefix(n.Sandbox, name) },
	} {
		var found []Named
		for _, n := range all {
			if name != "" && fits(n) {
				found = append(found, n)
			}
		}
		switch len(found) {
		case 0:
			continue
		case 1:
			return found[0], nil
		}
		return Named{}, fault.System(fmt.Errorf("%q may be any of %d sandboxes", name, len(found)), "name one of them: "+some(found))
	}
	hint := "there is none on this engine now"
	if len(all) > 0 {
		hint = "there are: " + some(all)
	}
	return Named{}, fault.System(fmt.Errorf("no sandbox has the id %q, nor has its job", name), hint)
}

// some names the first sandboxes of a list.
func some(list []Named) string {
	const most = 8
	var names []string
	for _, n := range list[:min(most, len(list))] {
		names = append(names, n.String())
	}
	if len(list) > most {
		names = append(names, fmt.Sprintf("and %d more", len(list)-most))
	}
	return strings.Join(names, ", ")
}

// Part is one container of a sandbox, as an admin names it.
type Part struct {
	Role plan.Role
	// Service is an alias, the image or the number of a service; empty for a sandbox's only
	// service.
	Service string
}

// part finds a sandbox's container. A helper with the job's cache comes before the sandbox's own.
func (l *Looker) part(ctx context.Context, within string, p Part) (engine.Details, error) {
	var none engine.Details
	list, err := l.eng.Containers(ctx, label.Sandbox+"="+within, label.Role+"="+string(p.Role))
	if err != nil {
		return none, l.eng.Explain("looking for the container", err)
	}
	slices.SortFunc(list, func(a, b engine.Container) int {
		if p.Role == plan.RoleHelper {
			return strings.Compare(b.Labels[label.Job], a.Labels[label.Job])
		}
		return strings.Compare(a.Name, b.Name)
	})
	if len(list) == 0 {
		return none, fault.System(fmt.Errorf("sandbox %s has no %s container", within, p.Role), "gitlab-dind-executor status tells what it is at; one that waits for a job has a sidecar and a helper alone")
	}
	if p.Role != plan.RoleService {
		c, err := l.eng.Container(ctx, list[0].ID)
		return c, l.eng.Explain("looking at the "+string(p.Role)+" container", err)
	}
	var names []string
	for i, s := range list {
		c, err := l.eng.Container(ctx, s.ID)
		if err != nil {
			return none, l.eng.Explain("looking at a service", err)
		}
		aliases, image := sandbox.ServiceNames(c, within), label.ImageName(s.Labels, s.Image)
		if p.Service == "" && len(list) == 1 || p.Service == strconv.Itoa(i) || p.Service == image || slices.Contains(aliases, p.Service) {
			return c, nil
		}
		names = append(names, strings.Join(append(aliases, image), " or "))
	}
	err = fmt.Errorf("sandbox %s has no service %q", within, p.Service)
	if p.Service == "" {
		err = errors.New("sandbox " + within + " has several services")
	}
	return none, fault.System(err, "name one: "+strings.Join(names, ", "))
}
