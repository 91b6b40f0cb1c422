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

// Arch returns the engine's architecture as in the tags of GitLab's helper images.
func (d *Driver) Arch(ctx context.Context) (string, error) {
	if err := d.eng.Greet(ctx); err != nil {
		return "", err
	}
	v, err := d.eng.Version(ctx)
	return helperArch(v.Arch), d.eng.Explain("asking the engine", err)
}

// Newer fetches newer versions of images for the next job, behind a job. The registry is
// asked whatever the pull policy says.
func (d *Driver) Newer(ctx context.Context, refs []plan.ImageRef, timeout time.Duration, attempts int) error {
	var errs []error
	for _, ref := range refs {
		ref.Policies = []string{config.PullAlways}
		_, err := d.Prepull(ctx, ref, timeout, attempts, Telling{Say: func(string) {}}) // nobody reads along
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Telling is told how far long work is. Say gets lines. Bytes gets how far the pull of
// an image is. With nil, Say gets lines about the bytes too.
type Telling struct {
	Say   func(string)
	Bytes func(image string, current, total int64)
}

// Prepull fetches an image, or its newer version. fetched says that the engine now has
// another image under the name.
func (d *Driver) Prepull(ctx context.Context, ref plan.ImageRef, timeout time.Duration, attempts int, to Telling) (fetched bool, err error) {
	if err := d.eng.Greet(ctx); err != nil {
		return false, err
	}
	before, err := d.eng.Image(ctx, ref)
	if err != nil && !engine.Gone(err) {
		return false, d.eng.Explain("looking for image "+ref.Name, err)
	}
	im := &images.Set{Store: d.images, Timeout: timeout, Attempts: attempts, Say: to.Say, Progress: to.Bytes}
	var after engine.Image
	if after, err = im.Ensure(ctx, ref); err != nil {
		return false, err
	}
	return after.ID != before.ID, nil
}
