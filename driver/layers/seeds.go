package layers

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/removal"
)

// Seed is a volume with images for new data roots.
type Seed struct {
	Name string
	// Wish is the id of what the settings said.
	Wish    string
	Created time.Time
	// Ready is false while it is made, and for what is left of one that failed.
	Ready bool

	kind string
}

// Seeds lists the seeds that there are, the newest first.
func (l *Layers) Seeds(ctx context.Context) ([]Seed, error) {
	if err := l.eng.Greet(ctx); err != nil {
		return nil, err
	}
	return l.seedsWith(ctx, label.Seed)
}

func (l *Layers) seedsWith(ctx context.Context, key string) ([]Seed, error) {
	list, err := l.eng.Volumes(ctx, key)
	if err != nil {
		return nil, l.eng.Explain("looking for seeds", err)
	}
	ready := map[string]bool{}
	for _, v := range list {
		if of := v.Labels[label.Of]; of != "" {
			ready[of] = true
		}
	}
	var seeds []Seed
	volumes := list
	for of := range ready { // a mark that is left alone is removed as what it is of
		if !slices.ContainsFunc(volumes, func(v *engine.Volume) bool { return v.Name == of }) {
			i := slices.IndexFunc(volumes, func(v *engine.Volume) bool { return v.Labels[label.Of] == of })
			lost := engine.Volume{Name: of, Labels: maps.Clone(volumes[i].Labels)}
			lost.Labels[label.Role] = string(plan.RoleSeed)
			volumes = append(volumes, &lost)
			ready[of] = false
		}
	}
	for _, v := range volumes {
		created, err := time.Parse(time.RFC3339, v.Labels[label.Created])
		if plan.Role(v.Labels[label.Role]) == plan.RoleSeed && err == nil {
			seeds = append(seeds, Seed{Name: v.Name, Wish: v.Labels[label.Seed], Created: created, Ready: ready[v.Name], kind: v.Labels[label.Spec]})
		}
	}
	slices.SortFunc(seeds, func(a, b Seed) int { return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.Name, b.Name)) })
	return seeds, nil
}

// NewestSeed is the seed that a sidecar gets; empty without one. Nothing that is
// wrong with seeds is a matter of the job's.
func (l *Layers) NewestSeed(ctx context.Context, kind string) string {
	seeds, err := l.seedsWith(ctx, label.Spec+"="+kind)
	if err != nil {
		return ""
	}
	if i := slices.IndexFunc(seeds, func(s Seed) bool { return s.Ready }); i >= 0 {
		return seeds[i].Name
	}
	return ""
}

// SweepSeeds removes the seeds that are none of the wishes', those that newer ones
// have taken the place of, and what is left of those that were never ready, but
// none that a container has. It returns what was removed, or with dryRun would be.
func (l *Layers) SweepSeeds(ctx context.Context, wishes []plan.SeedWish, dryRun bool) ([]Seed, error) {
	seeds, err := l.Seeds(ctx)
	if err != nil || len(seeds) == 0 {
		return nil, err
	}
	if slices.ContainsFunc(seeds, func(s Seed) bool { return !s.Ready }) {
		// One is made as long as its sandbox is there, and has its mark before that goes:
		// so this is to be known before the marks are looked at again.
		networks, err := l.eng.Networks(ctx, label.Sandbox)
		if err != nil {
			return nil, l.eng.Explain("looking for who makes seeds", err)
		}
		known := seeds
		if seeds, err = l.Seeds(ctx); err != nil {
			return nil, err
		}
		seeds = slices.DeleteFunc(seeds, func(s Seed) bool {
			made := slices.ContainsFunc(networks, func(n engine.Network) bool { return s.Name == label.SeedName(s.kind, n.Labels[label.Sandbox]) })
			seen := slices.ContainsFunc(known, func(k Seed) bool { return k.Name == s.Name })
			return !s.Ready && (made || !seen)
		})
	}
	var swept []Seed
	var errs []error
	served := map[string]bool{}
	for _, s := range seeds { // the newest first
		wanted := slices.ContainsFunc(wishes, func(w plan.SeedWish) bool { return w.ID == s.Wish && w.Unfit == "" })
		switch {
		case s.Ready && wanted && !served[s.Wish]:
			served[s.Wish] = true
			continue
		}
		if !dryRun {
			gone, err := l.removeSeed(ctx, s)
			errs = append(errs, err)
			if !gone {
				continue
			}
		}
		swept = append(swept, s)
	}
	return swept, errors.Join(errs...)
}

// removeSeed takes its mark from a seed, so that no job gets it any more, and
// removes it, unless a container still has it: then a later sweep does. It tells
// whether it is gone.
func (l *Layers) removeSeed(ctx context.Context, s Seed) (bool, error) {
	if _, err := l.removal.DropVolume(ctx, label.ReadyName(s.Name)); err != nil {
		return false, err
	}
	end, err := l.removal.DropVolume(ctx, s.Name)
	return end == removal.WasRemoved || end == removal.WasAbsent, err
}
