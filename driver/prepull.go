package driver

import (
	"context"
	"errors"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/images"
	"gitlab-dind-executor/driver/plan"
)

// Arch is the engine's architecture as GitLab's helper images name it.
func (d *Driver) Arch(ctx context.Context) (string, error) {
	if err := d.eng.Greet(ctx); err != nil {
		return "", err
	}
	v, err := d.eng.Version(ctx)
	return helperArch(v.Arch), d.eng.Explain("asking the engine", err)
}

// Newer fetches what registries have of images behind a job, for the next one.
func (d *Driver) Newer(ctx context.Context, refs []plan.ImageRef, timeout time.Duration, attempts int) error {
	var errs []error
	for _, ref := range refs {
		ref.Policies = []string{config.PullAlways}
		_, err := d.Prepull(ctx, ref, timeout, attempts)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Prepull fetches an image, or what is new of it. It tells whether the engine
// has another image under that name now.
func (d *Driver) Prepull(ctx context.Context, ref plan.ImageRef, timeout time.Duration, attempts int) (fetched bool, err error) {
	if err := d.eng.Greet(ctx); err != nil {
		return false, err
	}
	before, err := d.eng.Image(ctx, ref)
	if err != nil && !engine.Gone(err) {
		return false, d.eng.Explain("looking for image "+ref.Name, err)
	}
	im := &images.Set{Store: d.images, Timeout: timeout, Attempts: attempts, Say: func(string) {}}
	var after engine.Image
	if after, err = im.Ensure(ctx, ref); err != nil {
		return false, err
	}
	return after.ID != before.ID, nil
}
