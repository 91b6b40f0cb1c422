package looking

import (
	"context"
	"time"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/sandbox"
)

// Sandboxes lists all sandboxes, the oldest first, without their consumption. No daemon is asked
// whether it boots: a booting sandbox counts as Running. prepare is the longest time of a
// prepare.
func (l *Looker) Sandboxes(ctx context.Context, now time.Time, prepare time.Duration) ([]SandboxStatus, error) {
	found, err := l.eng.Ours(ctx, label.Sandbox)
	if err != nil {
		return nil, err
	}
	return statusesOf(found, sandbox.RulesHere(now, prepare), nil), nil
}

// CountSandboxes counts the sandboxes of Sandboxes by state.
func (l *Looker) CountSandboxes(ctx context.Context, now time.Time, prepare time.Duration) (map[State]int, error) {
	all, err := l.Sandboxes(ctx, now, prepare)
	if err != nil {
		return nil, err
	}
	states := map[State]int{Making: 0, Running: 0, Waits: 0, Bare: 0, Held: 0, Going: 0, Orphan: 0, Doubtful: 0}
	for _, one := range all {
		states[one.State]++
	}
	return states, nil
}

// CachedCount sums up the caches, or the layers, of all projects.
type CachedCount struct {
	Count int
	// Bytes is -1 if any size is unknown.
	Bytes int64
}

// CountCached sums up caches and layers. With sizes the engine walks the files of all volumes.
func (l *Looker) CountCached(ctx context.Context, sizes bool) (caches, layers CachedCount, err error) {
	cached, _, err := l.layers.Cached(ctx)
	if err == nil && sizes && len(cached) > 0 {
		err = l.layers.MeasureCached(ctx, cached)
	}
	for _, c := range cached {
		of := &caches
		if c.Role == plan.RoleData {
			of = &layers
		}
		of.Count++
		if c.Size < 0 || of.Bytes < 0 {
			of.Bytes = -1
			continue
		}
		of.Bytes += c.Size
	}
	return caches, layers, err
}
