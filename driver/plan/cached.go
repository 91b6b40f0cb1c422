package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"

	"gitlab-dind-executor/config"
)

// Cached is what outlives jobs: a scope's cache or one of its data roots.
type Cached struct {
	Name string
	// Role is RoleCache or RoleData.
	Role Role
	// Scope, Project, Protection and Instances say whose it is.
	Scope, Project string
	Protection     Protection
	Instances      []string
	// Used is when a job last got it.
	Used time.Time
	// Size is in bytes; below 0 it is not known.
	Size int64
	// Idle is false while a container has it.
	Idle bool
	// Old says that an earlier version made it, and that no job gets it any more.
	Old bool
}

// Eviction is something Cached that has to go, and why.
type Eviction struct {
	Cached
	Reason string
}

// Evictions are what of all that is cached has to go by the settings, used longest
// ago first. What is in use stays and counts.
func Evictions(s config.Settings, cached []Cached, now time.Time) []Eviction {
	cached = OldestFirst(cached, now)
	type budget struct {
		most, left int64
		of         string
	}
	all := &budget{most: s.Cache.MaxSize.Bytes(), of: "all caches and layers"}
	own := map[int]*budget{}
	ages, budgets := make([]time.Duration, len(cached)), make([][]*budget, len(cached))
	for i, k := range cached {
		cache := s.Cache
		budgets[i] = []*budget{all}
		if n, _ := policyFor(s, Job{Project: k.Project, Protection: k.Protection, Instances: k.Instances}); n >= 0 {
			p := s.Policies[n].Cache
			cache = p.On(cache)
			if p.MaxSize != nil && own[n] == nil {
				own[n] = &budget{most: p.MaxSize.Bytes(), of: "those of its policy"}
			}
			if own[n] != nil {
				budgets[i] = append(budgets[i], own[n])
			}
		}
		ages[i] = cache.MaxAge.Std()
		for _, b := range budgets[i] {
			b.left += max(0, k.Size)
		}
	}
	var gone []Eviction
	for i, k := range cached {
		if !k.Idle {
			continue
		}
		reason := ""
		if age := now.Sub(k.Used); ages[i] > 0 && age > ages[i] {
			reason = "unused for " + strings.ToLower(units.HumanDuration(age))
		}
		if k.Old {
			reason = "of an earlier version of this program"
		}
		for _, b := range budgets[i] {
			if reason == "" && k.Size > 0 && b.most > 0 && b.left > b.most {
				reason = fmt.Sprintf("%s take %s", b.of, config.Size(b.left))
			}
		}
		if reason == "" {
			continue
		}
		for _, b := range budgets[i] {
			b.left -= max(0, k.Size)
		}
		gone = append(gone, Eviction{k, reason})
	}
	return gone
}

// OldestFirst orders by the time of the last use. One that lies ahead, by a
// clock that was wrong, counts as now.
func OldestFirst(cached []Cached, now time.Time) []Cached {
	cached = slices.Clone(cached)
	for i, k := range cached {
		if k.Used.After(now) {
			cached[i].Used = now
		}
	}
	slices.SortFunc(cached, func(a, b Cached) int { return cmp.Or(a.Used.Compare(b.Used), strings.Compare(a.Name, b.Name)) })
	return cached
}

// Cache is a volume that is cached for the claim's scope.
type Cache struct {
	// Path is one of cache.paths; empty for /cache.
	Path string
	// At is where the container has it.
	At string
}

// Caches are those of a container. The helper, whose own programs may be in one of
// cache.paths, has them elsewhere: it only opens them to any user.
func (c Container) Caches() (all []Cache) {
	if c.CachePath != "" {
		all = append(all, Cache{At: c.CachePath})
	}
	for i, p := range c.CachePaths {
		at := p
		if c.Role == RoleHelper {
			at = helperCache(i)
		}
		all = append(all, Cache{Path: p, At: at})
	}
	return all
}

// helperCache is where the helper has number i of cache.paths.
func helperCache(i int) string { return "/gitlab-dind-executor/caches/" + strconv.Itoa(i) }
