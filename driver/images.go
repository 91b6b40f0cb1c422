package driver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/pkg/jsonmessage"
	"github.com/docker/go-units"
	"golang.org/x/sync/singleflight"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

// images gets the images of one plan to the engine, each once however many
// containers use it.
type images struct {
	d       *Driver
	timeout time.Duration
	say     func(string)
	flights singleflight.Group
}

// ensure returns the image after its first policy that works.
func (im *images) ensure(ctx context.Context, ref plan.ImageRef) (image.InspectResponse, error) {
	key := strings.Join(append([]string{ref.Name, ref.Platform}, ref.Policies...), "\x00")
	v, err, _ := im.flights.Do(key, func() (any, error) { return im.try(ctx, ref) })
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
			return image.InspectResponse{}, ctx.Err()
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
		case err == nil:
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
	return img, im.d.explain("looking at image "+ref.Name, err)
}

// pull fetches an image and says so, with the time it took and its digest.
func (im *images) pull(ctx context.Context, ref plan.ImageRef) error {
	ctx, cancel := context.WithTimeout(ctx, im.timeout)
	defer cancel()
	opts := image.PullOptions{Platform: ref.Platform}
	if ref.Auth != nil {
		auth, err := registry.EncodeAuthConfig(registry.AuthConfig{
			Username: ref.Auth.Username, Password: ref.Auth.Password.Reveal(), ServerAddress: ref.Auth.Host,
		})
		if err != nil {
			return fmt.Errorf("credentials for %s: %w", ref.Auth.Host, err)
		}
		opts.RegistryAuth = auth
	}
	im.say("pulling " + ref.Name)
	start := time.Now()
	stream, err := im.d.api.ImagePull(ctx, ref.Name, opts)
	if err != nil {
		return im.explainPull(ref, err)
	}
	defer stream.Close()
	digest, err := followPull(stream)
	if err != nil {
		return im.explainPull(ref, err)
	}
	im.say(fmt.Sprintf("pulled %s in %.1f s%s", ref.Name, time.Since(start).Seconds(), digest))
	return nil
}

// followPull reads the engine's progress to its end and returns the digest
// that it names, as " (sha256:…)".
func followPull(stream io.Reader) (digest string, err error) {
	dec := json.NewDecoder(stream)
	for {
		var m jsonmessage.JSONMessage
		switch err := dec.Decode(&m); {
		case errors.Is(err, io.EOF):
			return digest, nil
		case err != nil:
			return "", err
		case m.Error != nil:
			return "", m.Error
		}
		if d, ok := strings.CutPrefix(m.Status, "Digest: "); ok {
			digest = " (" + d + ")"
		}
	}
}

// explainPull tells the job's faults (no such image, no access) from passing
// ones. The engine has the difference in words only for some of them.
func (im *images) explainPull(ref plan.ImageRef, err error) error {
	what := fmt.Errorf("pulling image %s: %w", ref.Name, err)
	text := err.Error()
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(text, p) {
				return true
			}
		}
		return false
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fault.System(what, "took longer than pull.timeout ("+units.HumanDuration(im.timeout)+")")
	case has("toomanyrequests"):
		return fault.System(what, "the registry limits pulls: log in to it, or use a mirror")
	case errdefs.IsUnauthorized(err), errdefs.IsPermissionDenied(err), has("denied:", "access denied", "unauthorized", "no basic auth"):
		// Before what is not found: the Docker Hub says both of what one may not see.
		hint := "no credentials for this registry: check the name, or give DOCKER_AUTH_CONFIG"
		if ref.Auth != nil {
			hint = "the registry refused the job's credentials for it"
		}
		return fault.Job(what, hint)
	case errdefs.IsNotFound(err), has("manifest unknown", "not found"):
		return fault.Job(what, "check the image's name and tag")
	case has("x509:"):
		return fault.System(what, "put the registry's CA into /etc/docker/certs.d/<host:port>/ca.crt of this host's engine")
	default:
		return im.d.explain("pulling image "+ref.Name, err)
	}
}
