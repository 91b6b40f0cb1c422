package images

import (
	"context"
	"sync"

	"github.com/distribution/reference"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/plan"
)

// ownPlatform is the engine's platform, os/arch, once known.
type ownPlatform struct {
	mu   sync.Mutex
	name string
}

// Know remembers the engine's answer, so nobody asks again.
func (o *ownPlatform) Know(v engine.Version) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if v.OS != "" && v.Arch != "" {
		o.name = v.Platform()
	}
}

// Wanted is the platform for an image: the job's wish, else the engine's own. The platform
// matters because another job may have fetched the same name for another platform.
func (d *Store) Wanted(ctx context.Context, ref plan.ImageRef) (string, error) {
	if ref.Platform != "" {
		return ref.Platform, nil
	}
	d.Platform.mu.Lock()
	defer d.Platform.mu.Unlock()
	if d.Platform.name == "" {
		v, err := d.eng.Version(ctx)
		if err != nil {
			return "", d.eng.Explain("asking the engine", err)
		}
		d.Platform.name = v.Platform()
	}
	return d.Platform.name, nil
}

// digestsOf are the digests by which the registry of a name knows an image.
func digestsOf(named reference.Named, img engine.Image) []string {
	var digests []string
	for _, d := range img.Digests {
		r, err := reference.ParseNormalizedNamed(d)
		if c, ok := r.(reference.Canonical); err == nil && ok && r.Name() == named.Name() {
			digests = append(digests, c.Digest().String())
		}
	}
	return digests
}

// DigestOf returns the digest by which a registry knows the image, or the image's id.
func DigestOf(ref plan.ImageRef, img engine.Image) string {
	named, err := reference.ParseNormalizedNamed(ref.Name)
	if err != nil {
		return img.ID
	}
	if known := digestsOf(named, img); len(known) > 0 {
		return known[0]
	}
	return img.ID
}
