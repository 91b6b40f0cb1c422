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
	// Wish is the id of the plan.SeedWish from which the seed was made.
	Wish    string
	Created time.Time
	// Ready is false while the seed is being made, and for the remains of a failed one.
	Ready bool

	kind string
}

// Seeds lists the seeds on the engine, the newest first.
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
	for of := range ready { // a mark without its seed stands for the seed, and is removed like a seed
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

// NewestSeed is the name of the seed for a new sidecar; empty without one. An error counts as
// none, since a job never fails because of seeds.
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

// SweepSeeds removes three kinds of seeds: seeds that no wish asks for, seeds replaced by newer
// ones, and remains of seeds that were never ready. A seed that a container has stays. The answer
// lists the seeds removed or, with dryRun, to be removed.
func (l *Layers) SweepSeeds(ctx context.Context, wishes []plan.SeedWish, dryRun bool) ([]Seed, error) {
	seeds, err := l.Seeds(ctx)
	if err != nil || len(seeds) == 0 {
		return nil, err
	}
	if slices.ContainsFunc(seeds, func(s Seed) bool { return !s.Ready }) {
		// The sandbox of a seed's maker stays until the seed has its mark. So the networks are
		// listed before the second look at the marks.
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

// removeSeed removes first a seed's mark, which keeps the seed from further jobs, and then the
// seed. A later sweep removes a seed that a container still has. The answer tells whether the
// seed is gone.
func (l *Layers) removeSeed(ctx context.Context, s Seed) (bool, error) {
	if _, err := l.removal.DropVolume(ctx, label.ReadyName(s.Name)); err != nil {
		return false, err
	}
	end, err := l.removal.DropVolume(ctx, s.Name)
	return end == removal.WasRemoved || end == removal.WasAbsent, err
}
