package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gitlab-dind-executor/config"
)

// Cached is a volume that outlives jobs: a scope's cache, or one of its data roots.
type Cached struct {
	Name string
	// Role is RoleCache or RoleData.
	Role Role
	// Scope, Project, Protection and Instances identify the owner.
	Scope, Project string
	Protection     Protection
	Instances      []string
	// Used is when the last job got the volume.
	Used time.Time
	// Size is in bytes; below 0 it is unknown.
	Size int64
	// Idle is false while a container uses the volume.
	Idle bool
	// Old says that the volume is from an earlier version, and no job gets it any more.
	Old bool
}

// Eviction is a cached volume that must go, with the reason.
type Eviction struct {
	Cached
	Reason string
}

// Evictions returns the cached volumes that the settings no longer allow, the longest
// unused first. Volumes in use stay, and count towards the sizes.
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
			reason = "unused for " + config.Age(age)
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

// OldestFirst sorts by the time of the last use. A time in the future, from a wrong clock,
// counts as now.
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
	// Path is a path of cache.paths; empty for /cache.
	Path string
	// At is the mount path in the container.
	At string
}

// Caches returns a container's caches. The helper mounts cache.paths elsewhere, because its
// own programs may be in these paths. It only opens the caches to any user.
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

// helperCache returns where the helper mounts number i of cache.paths.
func helperCache(i int) string { return "/gitlab-dind-executor/caches/" + strconv.Itoa(i) }
