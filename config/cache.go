package config

import (
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
)

// Cache is about the cached files on the engine. Each project has a place of its own, with
// protected refs, unprotected refs and merge requests apart.
type Cache struct {
	// Volume keeps /cache in a volume. Without it, /cache ends with the job.
	Volume bool `toml:"volume"`
	// Paths are further paths in containers, kept like /cache.
	Paths []string `toml:"paths"`
	// Layers is one of LayersChoices: whether the images and the build cache of
	// inner daemons are cached.
	Layers string `toml:"layers"`
	// SeedImages are the first images of a new data root, if a seed holds them.
	SeedImages []string `toml:"seed_images"`
	// MaxSize bounds the disk space of all caches and layers. MaxAge bounds the time
	// without use. 0 means no bound.
	MaxSize Size     `toml:"max_size"`
	MaxAge  Duration `toml:"max_age"`
}

// The values of cache.layers say how long the data root of an inner daemon stays.
const (
	// LayersOff removes the data root with the job.
	LayersOff = "off"
	// LayersProject keeps the data root for the next job of the same scope.
	LayersProject = "project"
	// LayersInherit is LayersProject, and lets other refs begin with a copy of the layers
	// of protected refs.
	LayersInherit = "inherit"
)

// LayersChoices are the valid values of cache.layers.
var LayersChoices = []string{LayersOff, LayersProject, LayersInherit}

// PolicyCache changes the settings of the same names for the policy's projects. MaxSize
// bounds their caches and layers alone, and the bound for all projects stays in force. nil
// leaves a bound as it is, 0 lifts the bound.
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

// Caches tells whether the settings cache anything for any job.
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
	f.duration(key+".max_age", c.MaxAge, 0, 10*365*24*time.Hour)
}
