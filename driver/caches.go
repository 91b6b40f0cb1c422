package driver

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/volume"

	"gitlab-dind-executor/driver/plan"
)

// Cache is a scope's cache on the engine.
type Cache struct {
	Name string
	// Scope says whose it is, for a person.
	Scope   string
	Created time.Time
}

// RemoveCaches removes the caches that were made before a time and that no
// container has, unless dryRun. The answer lists what was removed, or would be;
// the error joins what could not be removed.
func (d *Driver) RemoveCaches(ctx context.Context, before time.Time, dryRun bool) ([]Cache, error) {
	filter := labelled(labelRole+"="+string(plan.RoleCache), labelScope)
	filter.Add("dangling", "true")
	list, err := d.api.VolumeList(ctx, volume.ListOptions{Filters: filter})
	if err != nil {
		return nil, d.explain("listing caches", err)
	}
	var removed []Cache
	var errs []error
	for _, c := range oldCaches(list.Volumes, before) {
		if !dryRun {
			// Without force: a job may have taken it since.
			err := d.api.VolumeRemove(ctx, c.Name, false)
			if errdefs.IsConflict(err) || gone(err) {
				continue
			}
			if err != nil {
				errs = append(errs, d.explain("removing cache "+c.Name, err))
				continue
			}
		}
		removed = append(removed, c)
	}
	return removed, errors.Join(errs...)
}

// oldCaches are those volumes that are caches made before a time, by name. What
// does not say when it was made is left alone.
func oldCaches(volumes []*volume.Volume, before time.Time) []Cache {
	var old []Cache
	for _, v := range volumes {
		made, err := time.Parse(time.RFC3339, v.Labels[labelCreated])
		if err == nil && made.Before(before) && v.Labels[labelSandbox] == "" && v.Name == cacheName(v.Labels[labelScope]) {
			old = append(old, Cache{v.Name, v.Labels[labelScope], made})
		}
	}
	slices.SortFunc(old, func(a, b Cache) int { return strings.Compare(a.Name, b.Name) })
	return old
}
