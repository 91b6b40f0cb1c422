package images

import (
	"context"
	"sync"

	"github.com/distribution/reference"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/plan"
)

// ownPlatform is the engine's, os/arch, once it has told.
type ownPlatform struct {
	mu   sync.Mutex
	name string
}

// Know remembers what the engine has told, so that nobody asks it again.
func (o *ownPlatform) Know(v engine.Version) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if v.OS != "" && v.Arch != "" {
		o.name = v.Platform()
	}
}

// Wanted is the platform that an image must be for: that which the job names, else
// the engine's own. Under a name may lie what another job has fetched for another.
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

// DigestOf returns the digest by which a registry knows the image, or its id.
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
