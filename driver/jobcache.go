package driver

import (
	"cmp"
	"context"
	"errors"
	"sync"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

// jobCache is the state of the cache of the job's scope.
type jobCache struct {
	// isNew says that a volume of the cache did not exist before.
	isNew bool

	once sync.Once
	// foreign is the reason why the job has no cache: a volume of the cache's name is
	// foreign. foreign is nil where the cache is its scope's. err is any other fault.
	foreign, err error
}

// lastingCache makes the cache of the job's scope once, before any container mounts it. The
// result tells whether the job has this cache.
func (prep *preparation) lastingCache(ctx context.Context) (bool, error) {
	caches := prep.p.Helper.Caches()
	if len(caches) == 0 || prep.p.Helper.CacheEnds {
		return false, nil
	}
	c, claim := &prep.cache, prep.p.Claim
	c.once.Do(func() {
		for _, k := range caches {
			err := prep.d.eng.OwnVolume(ctx, label.PathCacheName(claim.Scope, k.Path), label.ForPathCache(claim, k.Path))
			if errors.Is(err, engine.ErrForeign) {
				c.foreign = cmp.Or(c.foreign, err)
			} else {
				c.err = errors.Join(c.err, err)
			}
		}
	})
	return c.foreign == nil && c.err == nil, c.err
}

// withCache returns the container as the job gets it. Where the scope's volume is foreign,
// the container gets a cache that ends with the sandbox.
func (prep *preparation) withCache(ctx context.Context, c plan.Container) (plan.Container, error) {
	if len(c.Caches()) == 0 {
		return c, nil
	}
	lasts, err := prep.lastingCache(ctx)
	c.CacheEnds = !lasts
	return c, err
}

// warnings returns lines for the job log.
func (prep *preparation) warnings(svc *services) []string {
	if err := prep.cache.foreign; err != nil {
		return append([]string{"this job has no /cache of earlier ones: " + fault.Line(err) + " (" + fault.HintOf(err) + ")"}, svc.warnings...)
	}
	return svc.warnings
}

// noteCache notes the time of use of the scope's cache, if the job has it.
func (prep *preparation) noteCache(ctx context.Context) error {
	if lasts, err := prep.lastingCache(ctx); !lasts {
		return err
	}
	found, err := prep.d.Layers.VolumesOf(ctx, prep.p.Claim.Scope)
	if err != nil {
		return err
	}
	for _, k := range prep.p.Helper.Caches() {
		prep.d.Layers.NoteUse(ctx, prep.p, found, label.PathCacheName(prep.p.Claim.Scope, k.Path))
	}
	return nil
}

// cacheIsNew tells whether the job's scope has a cache volume still to be made. The
// question is asked before any container makes the volume.
func (prep *preparation) cacheIsNew(ctx context.Context) (bool, error) {
	if prep.p.Helper.CacheEnds {
		return false, nil
	}
	for _, k := range prep.p.Helper.Caches() {
		_, err := prep.d.eng.Volume(ctx, label.PathCacheName(prep.p.Claim.Scope, k.Path))
		if engine.Gone(err) {
			return true, nil
		}
		if err != nil {
			return false, prep.d.eng.Explain("looking for the cache", err)
		}
	}
	return false, nil
}

// helperWithCache starts a second helper with the cache of the job's scope. A job needs
// this helper for `cache:`, or to open a new or temporary cache to any user. The helper
// joins the network of the sandbox's helper: this takes a third of the time of a place of
// its own.
func (prep *preparation) helperWithCache(ctx context.Context) error {
	d, p := prep.d, prep.p
	if len(p.Helper.Caches()) == 0 {
		return nil
	}
	lasts, err := prep.lastingCache(ctx)
	if err != nil || lasts && !p.Cached && !prep.cache.isNew {
		return err
	}
	helper := p.Helper
	helper.Joins = label.ObjectName(p.Sandbox, plan.RoleHelper)
	return prep.container(ctx, helper, label.CacheHelperName(p.Sandbox), label.ForClaim(p, plan.RoleHelper), d.start(p.Helper))
}
