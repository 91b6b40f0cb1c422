package driver

import (
	"context"
	"time"

	"github.com/docker/docker/api/types/image"

	"gitlab-dind-executor/driver/plan"
)

// Arch is the engine's architecture as GitLab's helper images name it.
func (d *Driver) Arch(ctx context.Context) (string, error) {
	if err := d.greet(ctx); err != nil {
		return "", err
	}
	v, err := d.api.ServerVersion(ctx)
	return helperArch(v.Arch), d.explain("asking the engine", err)
}

// Prepull fetches an image, or what is new of it. It tells whether the engine
// has another image under that name now.
func (d *Driver) Prepull(ctx context.Context, ref plan.ImageRef, timeout time.Duration, attempts int) (fetched bool, err error) {
	if err := d.greet(ctx); err != nil {
		return false, err
	}
	before, err := d.api.ImageInspect(ctx, ref.Name)
	if err != nil && !gone(err) {
		return false, d.explain("looking for image "+ref.Name, err)
	}
	im := &images{d: d, timeout: timeout, attempts: attempts, say: func(string) {}}
	var after image.InspectResponse
	if after, err = im.ensure(ctx, ref); err != nil {
		return false, err
	}
	return after.ID != before.ID, nil
}
