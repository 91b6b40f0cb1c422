package images

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/span"
	"gitlab-dind-executor/fault"
)

// NoRegistry is the hint for a registry that is out of reach.
const NoRegistry = "the docker engine of the runner's host does not reach the registry: see to its network, name servers or proxy"

// pull fetches an image, and reports the time taken. A fault of network or registry leads to
// another attempt after a pause. The request names even the engine's own platform, or the image
// already there would decide.
func (im *Set) pull(ctx context.Context, ref plan.ImageRef, platform string) (err error) {
	ctx, end := span.Begin(ctx, "pull "+ref.Name)
	defer end()
	ctx, cancel := context.WithTimeout(ctx, im.Timeout)
	defer cancel()
	if im.Slots != nil {
		select {
		case im.Slots <- struct{}{}:
			defer func() { <-im.Slots }()
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return im.ExplainPull(ref, ctx.Err())
		}
	}
	im.Say("pulling " + ref.Name)
	start, gap := time.Now(), im.Store.FirstPullGap
	one := Pull{Image: ref.Name, Began: start}
	defer func() { im.pulls.add(err, one) }()
	for attempt := 1; ; attempt++ {
		err := im.pullOnce(ctx, ref, platform, &one.Size)
		if err == nil {
			im.used.fetch(ref.Name)
			im.Say(fmt.Sprintf("pulled %s in %.1f s", ref.Name, time.Since(start).Seconds()))
			return nil
		}
		err = im.ExplainPull(ref, err)
		if fault.IsOfJob(err) || attempt >= im.Attempts || ctx.Err() != nil {
			return err
		}
		im.Say(fmt.Sprintf("%s; trying again in %s", fault.Line(err), gap))
		pause := time.NewTimer(gap)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return err
		}
		gap *= 2
	}
}

// pullOnce is one attempt, which notes how many bytes the engine speaks of.
func (im *Set) pullOnce(ctx context.Context, ref plan.ImageRef, platform string, size *int64) error {
	w := im.watch(ref.Name)
	defer w.end()
	return im.Store.eng.Pull(ctx, ref, platform, func(current, total int64) error {
		*size = max(*size, total)
		if im.MaxSize > 0 && total > im.MaxSize {
			return errTooLarge
		}
		w.heard(current, total)
		return nil
	})
}

// errTooLarge ends a pull: the engine gives up once nobody listens.
var errTooLarge = errors.New("it is larger than this runner allows")

// Slots is room for n pulls at once; nil has room for all.
func Slots(n int) chan struct{} {
	if n <= 0 {
		return nil
	}
	return make(chan struct{}, n)
}

// ExplainPull separates the job's faults (no such image, no access) from passing faults. Only the
// engine's words tell some of them apart.
func (im *Set) ExplainPull(ref plan.ImageRef, err error) error {
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
	case errors.Is(err, errTooLarge):
		return fault.Job(what, "use a smaller image, or ask the runner's admin to raise pull.max_size ("+config.Size(im.MaxSize).String()+")")
	case errors.Is(err, context.DeadlineExceeded):
		return fault.System(what, "took longer than pull.timeout ("+config.Duration(im.Timeout).String()+")")
	case has("toomanyrequests"):
		return fault.System(what, "the registry limits pulls: log in to it, or use a mirror")
	case errdefs.IsUnauthorized(err), errdefs.IsPermissionDenied(err), has("denied:", "access denied", "unauthorized", "no basic auth"):
		// This case comes before not-found, since the Docker Hub names both for a hidden image.
		hint := "no credentials for this registry: check the name, or give DOCKER_AUTH_CONFIG"
		if ref.Auth != nil {
			hint = "the registry refused the job's credentials for it"
		}
		return fault.Job(what, hint)
	case errdefs.IsNotFound(err), has("manifest unknown", "not found"):
		return fault.Job(what, "check the image's name and tag")
	case has("x509:"):
		return fault.System(what, caHint(ref.Name))
	case has("server gave HTTP response to HTTPS client", "first record does not look like a TLS handshake"):
		return fault.System(what, noTLSHint(ref.Name))
	case has("proxyconnect"):
		return fault.System(what, "the proxy of the docker engine of the runner's host does not answer: see to HTTPS_PROXY of docker.service, or \"proxies\" in daemon.json")
	case !engine.Unreachable(err) && has("no such host", "connection refused", "i/o timeout", "network is unreachable", "handshake timeout", "Client.Timeout"):
		return fault.System(what, NoRegistry)
	default:
		return im.Store.eng.Explain("pulling image "+ref.Name, err)
	}
}

// caHint names the place of a registry's CA for this host's engine. The place is the admin's,
// since the settings' CAs reach sandboxes only.
func caHint(image string) string {
	return "let the runner's admin put the registry's CA into " + plan.RegistryCAFile(plan.ConfigDir, hostOf(image)) + " of this host, for its docker engine"
}

// noTLSHint says how a registry without TLS is used: this host's engine has a list of
// its own, and the settings' insecure reaches sandboxes only.
func noTLSHint(image string) string {
	host := hostOf(image)
	return fmt.Sprintf("the registry speaks no TLS: let the runner's admin put %q into \"insecure-registries\" of the docker engine's daemon.json on this host, "+
		"and insecure = true under [registry.%[1]q] of dind.toml for the daemons of jobs", host)
}

// hostOf is the registry of an image.
func hostOf(image string) string {
	if named, err := reference.ParseNormalizedNamed(image); err == nil {
		return reference.Domain(named)
	}
	return "<host:port>"
}
