package driver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/image"
	"golang.org/x/sync/singleflight"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

// images gets the images of one plan to the engine, each once however many
// containers use it.
type images struct {
	d *Driver
	// timeout bounds all attempts at one pull.
	timeout  time.Duration
	attempts int
	say      func(string)
	flights  singleflight.Group
	pulls    pullCount
	used     usedImages
	there    sync.Map // image.InspectResponse by flight
}

// ensure returns the image after its first policy that works.
func (im *images) ensure(ctx context.Context, ref plan.ImageRef) (image.InspectResponse, error) {
	ctx, end := span(ctx, "image "+ref.Name)
	defer end()
	key := strings.Join(append([]string{ref.Name, ref.Platform}, ref.Policies...), "\x00")
	v, err, _ := im.flights.Do(key, func() (any, error) {
		if img, ok := im.there.Load(key); ok {
			return img, nil
		}
		img, err := im.try(ctx, ref)
		if err == nil {
			im.there.Store(key, img)
		}
		return img, err
	})
	if err != nil {
		return image.InspectResponse{}, err
	}
	return v.(image.InspectResponse), nil
}

func (im *images) try(ctx context.Context, ref plan.ImageRef) (image.InspectResponse, error) {
	var errs []error
	for _, policy := range ref.Policies {
		img, err := im.policy(ctx, ref, policy)
		if err == nil {
			return img, nil
		}
		if ctx.Err() != nil {
			return image.InspectResponse{}, err
		}
		errs = append(errs, err)
	}
	if len(errs) == 1 {
		return image.InspectResponse{}, errs[0]
	}
	return image.InspectResponse{}, errors.Join(errs...)
}

func (im *images) policy(ctx context.Context, ref plan.ImageRef, policy string) (image.InspectResponse, error) {
	switch policy {
	case config.PullAlways:
	case config.PullIfNotPresent, config.PullNever:
		img, err := im.d.api.ImageInspect(ctx, ref.Name)
		switch {
		case err == nil && !fits(ref.Platform, img):
			if policy == config.PullNever {
				return img, fault.Job(fmt.Errorf("image %s is on this host for %s/%s, not for %s, and its pull policy is never",
					ref.Name, img.Os, img.Architecture, ref.Platform), "use another pull policy, or leave the platform out")
			}
		case err == nil:
			im.note(ref, digestOf(ref, img))
			return img, nil
		case !errdefs.IsNotFound(err):
			return img, im.d.explain("looking for image "+ref.Name, err)
		case policy == config.PullNever:
			return img, fault.Job(fmt.Errorf("image %s is not on this host, and its pull policy is never", ref.Name),
				"let the runner's admin fetch it, or use another pull policy")
		}
	default:
		return image.InspectResponse{}, fault.Job(fmt.Errorf("image %s: unknown pull policy %q", ref.Name, policy),
			"use one of "+strings.Join(config.PullPolicies, ", "))
	}
	if err := im.pull(ctx, ref); err != nil {
		return image.InspectResponse{}, err
	}
	img, err := im.d.api.ImageInspect(ctx, ref.Name)
	if err == nil {
		im.note(ref, digestOf(ref, img))
	}
	return img, im.d.explain("looking at image "+ref.Name, err)
}

// fits tells whether an image is for a platform, os[/arch[/variant]]; without
// one any image is.
func fits(wanted string, img image.InspectResponse) bool {
	p := platform(wanted)
	return p == nil || p.OS == img.Os && (p.Architecture == "" || p.Architecture == img.Architecture) &&
		(p.Variant == "" || p.Variant == img.Variant)
}

// digestOf returns the digest by which a registry knows the image, or its id.
func digestOf(ref plan.ImageRef, img image.InspectResponse) string {
	named, err := reference.ParseNormalizedNamed(ref.Name)
	for _, d := range img.RepoDigests {
		repo, digest, ok := strings.Cut(d, "@")
		if r, e := reference.ParseNormalizedNamed(repo); ok && err == nil && e == nil && r.Name() == named.Name() {
			return digest
		}
	}
	return img.ID
}
