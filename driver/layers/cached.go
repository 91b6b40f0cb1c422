package layers

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/removal"
)

// RemoveCached removes caches and data roots that the settings no longer keep, unless a container
// has them. With dryRun nothing changes. The answer lists the volumes removed, or to be removed,
// the longest unused first. The error joins the failures. If a setting bounds sizes, the engine
// walks the files of all volumes, which takes time.
func (l *Layers) RemoveCached(ctx context.Context, s config.Settings, now time.Time, dryRun bool) ([]plan.Eviction, error) {
	cached, marks, err := l.Cached(ctx)
	if err != nil {
		return nil, err
	}
	var errs []error
	if len(cached) > 0 && sized(s) {
		errs = append(errs, l.MeasureCached(ctx, cached))
	}
	var evicted []plan.Eviction
	for _, e := range plan.Evictions(s, cached, now) {
		if !dryRun {
			done, err := l.evict(ctx, e.Name, marks)
			errs = append(errs, err)
			if !done {
				continue
			}
		}
		evicted = append(evicted, e)
	}
	if !dryRun {
		l.removeLostMarks(ctx, marks, cached)
	}
	return evicted, errors.Join(errs...)
}

// sized tells whether any setting bounds the size of caches.
func sized(s config.Settings) bool {
	return s.Cache.MaxSize > 0 || slices.ContainsFunc(s.Policies, func(p config.Policy) bool {
		return p.Cache.MaxSize != nil && *p.Cache.MaxSize > 0
	})
}

// Cached finds all cached volumes and their marks. Size is -1 in each: MeasureCached sets it.
func (l *Layers) Cached(ctx context.Context) (cached []plan.Cached, marks Volumes, err error) {
	all, err := l.eng.Volumes(ctx, label.Scope)
	if err != nil {
		return nil, nil, l.eng.Explain("listing caches", err)
	}
	used, err := l.volumesInUse(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, v := range all {
		if v.Labels[label.Of] != "" {
			marks = append(marks, v)
		}
	}
	for _, v := range all {
		if k, ok := cachedOf(v, marks); ok {
			k.Idle = !used[v.Name]
			cached = append(cached, k)
		}
	}
	return cached, marks, nil
}

// cachedOf reads the labels of a volume. It answers false for a volume of somebody else, and for
// a volume without a readable time of creation.
func cachedOf(v *engine.Volume, marks Volumes) (plan.Cached, bool) {
	l := v.Labels
	k := plan.Cached{
		Name: v.Name, Role: plan.Role(l[label.Role]), Scope: l[label.Scope],
		Project: l[label.Project], Protection: plan.ProtectionLabelled(l[label.Protected]), Size: -1,
	}
	// A scope begins with the GitLab instance's id or, without one, the instance's host.
	of, _, _ := strings.Cut(k.Scope, "/")
	k.Instances = []string{of}
	if host := l[label.Instance]; host != "" {
		k.Instances = []string{host, of}
	}
	k.Old = label.OldForm.MatchString(v.Name)
	old := "dind-cache-" + label.Hashed(k.Scope)[:12]
	ours := k.Role == plan.RoleCache && (v.Name == label.PathCacheName(k.Scope, l[label.Path]) || v.Name == old) || k.Role == plan.RoleData && label.IsCachedData(v.Name)
	var known bool
	k.Used, known = marks.lastUse(v)
	return k, ours && known && l[label.Sandbox] == ""
}

// MeasureCached asks the engine for the sizes of cached volumes, in bytes, and sets Size.
func (l *Layers) MeasureCached(ctx context.Context, cached []plan.Cached) error {
	sizes, err := l.eng.VolumeSizes(ctx)
	if errdefs.IsConflict(err) || engine.Refused(err, engine.CountsAlready) {
		return nil // somebody else is asking at this moment; the next call measures
	}
	for i := range cached {
		if size, known := sizes[cached[i].Name]; known {
			cached[i].Size = size
		}
	}
	return l.eng.Explain("asking for the sizes of caches", err)
}

// evict removes a cached volume and its marks. The answer is false if a job has got the volume
// meanwhile.
func (l *Layers) evict(ctx context.Context, name string, marks Volumes) (bool, error) {
	end, err := l.dropIdle(ctx, name)
	if label.IsCachedData(name) && removal.AllStuck(err) {
		l.discard(ctx, name) // a part of it may be gone
	}
	if end != removal.WasRemoved {
		return false, err
	}
	for _, m := range marks {
		if m.Labels[label.Of] == name {
			_, _ = l.removal.DropVolume(ctx, m.Name) // removeLostMarks removes the mark if this fails
		}
	}
	for _, state := range []label.DataState{label.DataClean, label.DataDamaged} { // these were made after marks was listed
		_ = l.eng.RemoveVolume(ctx, label.StateName(name, state))
	}
	return true, nil
}

// dropIdle removes a volume without a job. Two waits share clearNowBound: for a container that
// clears the volume, and for the engine's removal of the last container.
func (l *Layers) dropIdle(ctx context.Context, name string) (removal.Outcome, error) {
	bounded, cancel := context.WithTimeout(ctx, clearNowBound)
	defer cancel()
	for {
		end, err := l.removal.DropVolume(ctx, name)
		if end != removal.StillUsed {
			return end, err
		}
		if used, err := l.volumesInUse(ctx); err != nil || used[name] {
			return removal.StillUsed, err
		}
		if label.IsCachedData(name) && !l.AwaitLease(bounded, label.LeaseName(name)) {
			return removal.StillUsed, nil // a job has it, even if its daemon has ended
		}
		select {
		case <-time.After(l.bounds.RemoveFirstGap):
		case <-bounded.Done():
			return removal.StillUsed, nil
		}
	}
}

// discard marks a data root as damaged, to keep it from later jobs.
func (l *Layers) discard(ctx context.Context, name string) {
	v, err := l.eng.Volume(ctx, name)
	if err == nil && v.Labels[label.Scope] != "" {
		_ = l.MarkState(ctx, &v, label.DataDamaged) // if this fails, a daemon that does not boot on the data root leads here again
	}
}

// removeLostMarks removes marks whose volumes are gone.
func (l *Layers) removeLostMarks(ctx context.Context, marks Volumes, cached []plan.Cached) {
	for _, m := range marks {
		if !slices.ContainsFunc(cached, func(c plan.Cached) bool { return c.Name == m.Labels[label.Of] }) {
			_, _ = l.removal.DropVolume(ctx, m.Name) // the next time tries again
		}
	}
}

// DropLayers removes the longest unused among the idle data roots, and tells whether there was
// one. A data root that resists gets a mark, and the next is tried. Data roots with such a mark
// are left to removal.FreeStuck.
func (l *Layers) DropLayers(ctx context.Context, now time.Time) (bool, error) {
	cached, marks, err := l.Cached(ctx)
	if err != nil {
		return false, err
	}
	known, err := l.removal.Stuck(ctx)
	errs := []error{err}
	for _, k := range plan.OldestFirst(cached, now) {
		isKnown := slices.ContainsFunc(known, func(s removal.StuckVolume) bool { return s.Name == k.Name })
		if k.Role != plan.RoleData || !k.Idle || isKnown {
			continue
		}
		done, err := l.evict(ctx, k.Name, marks)
		if done {
			return true, nil
		}
		errs = append(errs, err)
	}
	return false, errors.Join(errs...)
}
