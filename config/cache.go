package config

import (
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
)

// Cache is about what is cached on the engine: in one place for each
// project, for protected refs, unprotected ones and merge requests apart.
type Cache struct {
	// Volume keeps /cache, in a volume; else it ends with the job.
	Volume bool `toml:"volume"`
	// Paths are further paths in containers that are kept like /cache.
	Paths []string `toml:"paths"`
	// Layers is one of LayersChoices: whether the images and the build cache of
	// inner daemons are cached.
	Layers string `toml:"layers"`
	// SeedImages are those that a new data root begins with, where a seed with
	// them was made.
	SeedImages []string `toml:"seed_images"`
	// MaxSize bounds what all of it takes on disk, MaxAge how long it lies
	// unused; 0 means no bound.
	MaxSize Size     `toml:"max_size"`
	MaxAge  Duration `toml:"max_age"`
}

// What becomes of the data root of an inner daemon.
const (
	// LayersOff removes it with the job.
	LayersOff = "off"
	// LayersProject keeps it for the next job of the same scope.
	LayersProject = "project"
	// LayersInherit does so, too, and lets other refs begin with a copy of what those
	// of protected ones have left.
	LayersInherit = "inherit"
)

// LayersChoices are the values that cache.layers may hold.
var LayersChoices = []string{LayersOff, LayersProject, LayersInherit}

// PolicyCache changes the settings of the same names; MaxSize is for what is
// cached of the policy's own projects, within that of all. nil leaves a bound as
// it is, 0 lifts it.
type PolicyCache struct {
	Layers     string    `toml:"layers"`
	SeedImages []string  `toml:"seed_images"`
	MaxSize    *Size     `toml:"max_size"`
	MaxAge     *Duration `toml:"max_age"`
}

// On returns the settings changed by p.
func (p PolicyCache) On(c Cache) Cache {
	if p.Layers != "" {
		c.Layers = p.Layers
	}
	if p.SeedImages != nil {
		c.SeedImages = p.SeedImages
	}
	if p.MaxSize != nil {
		c.MaxSize = *p.MaxSize
	}
	if p.MaxAge != nil {
		c.MaxAge = *p.MaxAge
	}
	return c
}

// Caches tells whether anything is cached of any job.
func (s Settings) Caches() bool {
	return s.Cache.Volume || len(s.Cache.Paths) > 0 || s.Cache.Layers != LayersOff ||
		slices.ContainsFunc(s.Policies, func(p Policy) bool { return p.Cache.Layers != "" && p.Cache.Layers != LayersOff })
}

func validateCache(key string, c Cache, f *faults) {
	if !slices.Contains(LayersChoices, c.Layers) {
		f.add(key+".layers", "must be one of %s, not %q", strings.Join(LayersChoices, ", "), c.Layers)
	}
	for _, i := range c.SeedImages {
		named, err := reference.ParseNormalizedNamed(i)
		if err != nil {
			f.add(key+".seed_images", "is no image reference: %q", i)
		} else if _, digested := named.(reference.Digested); digested {
			f.add(key+".seed_images", "must name a tag, which builds ask for, and no digest: %q", i)
		}
	}
	for i, p := range c.Paths {
		if why := refusedTarget(p); why != "" {
			f.add(key+".paths", "%s %s", p, why)
		}
		if slices.Contains(c.Paths[:i], p) {
			f.add(key+".paths", "%s stands there twice", p)
		}
	}
	if c.MaxSize < 0 {
		f.add(key+".max_size", "must not be negative")
	}
	if c.MaxAge < 0 || c.MaxAge.Std() > 10*365*24*time.Hour {
		f.add(key+".max_age", "must be from 0s to 87600h0m0s")
	}
}
