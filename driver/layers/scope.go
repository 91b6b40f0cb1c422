package layers

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"gitlab-dind-executor/driver/bounds"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/host"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/removal"
)

// Layers keeps layers, caches and seeds on an engine, beyond the life of jobs.
type Layers struct {
	eng     *engine.Engine
	bounds  *bounds.Bounds
	removal *removal.Remover
	// SharesBlocks tells whether files in a directory of this host may share blocks.
	SharesBlocks func(dir string) bool
}

// New makes Layers for an engine.
func New(eng *engine.Engine, limits *bounds.Bounds, remover *removal.Remover) *Layers {
	return &Layers{eng, limits, remover, host.SharesBlocks}
}

// Volumes are the volumes of a scope: its cache, its data roots, and the marks with the times of
// their use.
type Volumes []*engine.Volume

// VolumesOf finds the cached volumes of a scope.
func (l *Layers) VolumesOf(ctx context.Context, scope string) (Volumes, error) {
	list, err := l.eng.Volumes(ctx, label.Scope+"="+scope)
	return list, l.eng.Explain("looking for what earlier jobs left", err)
}

// Slots are the numbers of a scope's data roots of one kind, healthy and damaged ones apart.
// others tells whether the scope has data roots of other kinds.
func (k Volumes) Slots(scope, kind string) (slots, damaged []int, others bool) {
	for _, v := range k {
		if plan.Role(v.Labels[label.Role]) != plan.RoleData {
			continue
		}
		slot, ok := dataSlot(v.Name, scope, kind)
		switch {
		case label.IsBase(v.Name): // no daemon uses a base
		case !ok:
			others = true
		case k.is(v.Name, label.DataDamaged):
			damaged = append(damaged, slot)
		default:
			slots = append(slots, slot)
		}
	}
	return slots, damaged, others
}

// AnyIdle tells whether a scope has layers that no job is using.
func (l *Layers) AnyIdle(ctx context.Context, scope string) (bool, error) {
	all, err := l.eng.Volumes(ctx, label.Scope+"="+scope, label.Role+"="+string(plan.RoleData))
	if err != nil {
		return false, l.eng.Explain("looking for layers of earlier jobs", err)
	}
	used, err := l.volumesInUse(ctx)
	return slices.ContainsFunc(all, func(v *engine.Volume) bool { return !used[v.Name] && !label.IsBase(v.Name) }), err
}

// NoteUse notes that a job has got a cached volume. The note is a new volume each time, since
// labels never change and the engine records no last use. Errors are dropped: no job fails for a
// note.
func (l *Layers) NoteUse(ctx context.Context, p *plan.Plan, found Volumes, name string) {
	if name == "" {
		return
	}
	mark := label.UsedName(name, p.Sandbox)
	if _, err := l.eng.CreateVolume(ctx, mark, label.ForMark(p.Claim.Scope, name)); err != nil {
		return
	}
	for _, v := range found {
		if v.Labels[label.Of] == name && v.Labels[label.State] == "" && v.Name != mark {
			_ = l.eng.RemoveVolume(ctx, v.Name)
		}
	}
}

// lastUse is the time when a job last got a cached volume. Without a mark the volume's creation
// counts; false means no readable time.
func (k Volumes) lastUse(v *engine.Volume) (time.Time, bool) {
	last, err := time.Parse(time.RFC3339, v.Labels[label.Created])
	known := err == nil
	for _, m := range k {
		if m.Labels[label.Of] != v.Name || m.Labels[label.State] != "" {
			continue
		}
		if at, err := time.Parse(time.RFC3339, m.Labels[label.Created]); err == nil && at.After(last) {
			last, known = at, true
		}
	}
	return last, known
}

// dataSlot reads the number of a data root of a scope and kind from its name.
func dataSlot(name, scope, kind string) (int, bool) {
	number, ok := strings.CutPrefix(name, strings.TrimSuffix(label.DataName(scope, kind, 0), "0"))
	slot, err := strconv.Atoi(number)
	return slot, ok && err == nil && name == label.DataName(scope, kind, slot)
}

// is tells whether a data root has the mark of a state.
func (k Volumes) is(name string, state label.DataState) bool {
	for _, v := range k {
		if v.Name == label.StateName(name, state) && v.Labels[label.Of] == name && v.Labels[label.State] == string(state) {
			return true
		}
	}
	return false
}

// volumesInUse are the names of the volumes of all containers. Two kinds of container do not
// count. A container of this program ends soon, and an ended sidecar is being removed. The
// engine's own list of idle volumes does not serve. It leaves out volumes of a container under
// removal, while the list of containers no longer has that container.
func (l *Layers) volumesInUse(ctx context.Context) (map[string]bool, error) {
	list, err := l.eng.Containers(ctx)
	if err != nil {
		return nil, l.eng.Explain("looking for what containers have", err)
	}
	used := map[string]bool{}
	for _, c := range list {
		role := plan.Role(c.Labels[label.Role])
		ended := !slices.Contains([]string{engine.Created, engine.Running, engine.Paused}, c.State)
		if role == plan.RoleProgram || role == plan.RoleSidecar && ended {
			continue
		}
		for _, name := range c.Volumes {
			used[name] = true
		}
	}
	return used, nil
}
