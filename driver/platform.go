package driver

import (
	"context"
	"sync"

	"github.com/distribution/reference"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"

	"gitlab-dind-executor/driver/plan"
)

// platformAPI is the first that inspects an image for a platform.
const platformAPI = "1.49"

// ownPlatform is the engine's, os/arch, once it has told.
type ownPlatform struct {
	mu   sync.Mutex
	name string
}

// know remembers what the engine has told, so that nobody asks it again.
func (o *ownPlatform) know(v types.Version) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if v.Os != "" && v.Arch != "" {
		o.name = v.Os + "/" + v.Arch
	}
}

// wanted is the platform that an image must be for: that which the job names, else
// the engine's own. Under a name may lie what another job has fetched for another.
func (d *Driver) wanted(ctx context.Context, ref plan.ImageRef) (string, error) {
	if ref.Platform != "" {
		return ref.Platform, nil
	}
	d.platform.mu.Lock()
	defer d.platform.mu.Unlock()
	if d.platform.name == "" {
		v, err := d.api.ServerVersion(ctx)
		if err != nil {
			return "", d.explain("asking the engine", err)
		}
		d.platform.name = v.Os + "/" + v.Arch
	}
	return d.platform.name, nil
}

// fits tells whether an image is for a platform, os[/arch[/variant]], as far as it
// tells.
func fits(wanted string, img image.InspectResponse) bool {
	p := platform(wanted)
	alike := func(wanted, has string) bool { return wanted == "" || has == "" || wanted == has }
	return p == nil || alike(p.OS, img.Os) && alike(p.Architecture, img.Architecture) && (p.Variant == "" || p.Variant == img.Variant)
}

// inspectImage looks at an image. Engines that keep several platforms under one
// name are asked for the one that the job names, else they take their own.
func (d *Driver) inspectImage(ctx context.Context, ref plan.ImageRef) (image.InspectResponse, error) {
	if err := d.greet(ctx); err != nil { // the version of the API decides below
		return image.InspectResponse{}, err
	}
	var opts []client.ImageInspectOption
	if p := platform(ref.Platform); p != nil && versions.GreaterThanOrEqualTo(d.api.ClientVersion(), platformAPI) {
		opts = append(opts, client.ImageInspectWithPlatform(p))
	}
	return d.api.ImageInspect(ctx, fullName(ref.Name), opts...)
}

// fullName writes a reference in full. What a pipeline calls an image might be
// an id, by which an engine gives out any image that it has.
func fullName(name string) string {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name // which no engine takes
	}
	return reference.TagNameOnly(named).String()
}

// digestsOf are the digests by which the registry of a name knows an image.
func digestsOf(named reference.Named, img image.InspectResponse) []string {
	var digests []string
	for _, d := range img.RepoDigests {
		r, err := reference.ParseNormalizedNamed(d)
		if c, ok := r.(reference.Canonical); err == nil && ok && r.Name() == named.Name() {
			digests = append(digests, c.Digest().String())
		}
	}
	return digests
}

// digestOf returns the digest by which a registry knows the image, or its id.
func digestOf(ref plan.ImageRef, img image.InspectResponse) string {
	named, err := reference.ParseNormalizedNamed(ref.Name)
	if err != nil {
		return img.ID
	}
	if known := digestsOf(named, img); len(known) > 0 {
		return known[0]
	}
	return img.ID
}
