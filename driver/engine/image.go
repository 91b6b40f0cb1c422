package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/jsonmessage"

	"gitlab-dind-executor/driver/plan"
)

// platformAPI is the first version of the API that inspects an image for a platform.
const platformAPI = "1.49"

// Image is an image on the engine.
type Image struct {
	ID                        string
	OS, Architecture, Variant string
	// Digests are the names under which registries know the image, each name@sha256:…
	Digests []string
	// Configured: the image has a configuration, and the fields below come from it.
	Configured                       bool
	Environment, Entrypoint, Command []string
	User                             string
	// Volumes are the cleaned paths of the image's VOLUMEs, in order.
	Volumes []string
}

func imageOf(img image.InspectResponse) Image {
	one := Image{ID: img.ID, OS: img.Os, Architecture: img.Architecture, Variant: img.Variant, Digests: img.RepoDigests}
	if c := img.Config; c != nil {
		one.Configured = true
		one.Environment, one.Entrypoint, one.Command, one.User = c.Env, c.Entrypoint, c.Cmd, c.User
		one.Volumes = imageVolumes(c.Volumes)
	}
	return one
}

// Image describes an image, by name. Some engines keep several platforms under one name. The
// reference's platform counts there, and without one the engine's own.
func (e *Engine) Image(ctx context.Context, ref plan.ImageRef) (Image, error) {
	if err := e.Greet(ctx); err != nil { // the version of the API decides below
		return Image{}, err
	}
	var opts []client.ImageInspectOption
	if p := platform(ref.Platform); p != nil && e.Speaks(platformAPI) {
		opts = append(opts, client.ImageInspectWithPlatform(p))
	}
	img, err := e.api.ImageInspect(ctx, FullName(ref.Name), opts...)
	return imageOf(img), err
}

// ImageAs describes an image, by any name or id that the engine knows.
func (e *Engine) ImageAs(ctx context.Context, name string) (Image, error) {
	img, err := e.api.ImageInspect(ctx, name)
	return imageOf(img), err
}

// Fits tells whether an image is for a platform, os[/arch[/variant]]. Parts that the image does
// not tell fit anything.
func (img Image) Fits(wanted string) bool {
	p := platform(wanted)
	alike := func(wanted, has string) bool { return wanted == "" || has == "" || wanted == has }
	return p == nil || alike(p.OS, img.OS) && alike(p.Architecture, img.Architecture) && (p.Variant == "" || p.Variant == img.Variant)
}

// FullName writes a reference in full. A pipeline's name for an image could look like an id, and
// an engine gives out any image by id.
func FullName(name string) string {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name // no engine takes such a name
	}
	return reference.TagNameOnly(named).String()
}

// Pull fetches an image for a platform. Pull calls progress at each message of the engine, with the
// bytes of all layers known so far. progress may be nil, and ends the pull with an error.
func (e *Engine) Pull(ctx context.Context, ref plan.ImageRef, platform string, progress func(current, total int64) error) error {
	auth, err := encodedAuth(ref.Auth)
	if err != nil {
		return err
	}
	stream, err := e.api.ImagePull(ctx, FullName(ref.Name), image.PullOptions{Platform: platform, RegistryAuth: auth})
	if err != nil {
		return err
	}
	defer stream.Close()
	return followPull(stream, progress)
}

// AskRegistry lets the engine ask an image's registry for a digest, without fetching. Registries
// count the question as a pull.
func (e *Engine) AskRegistry(ctx context.Context, name string, c *plan.Credential) (digest string, err error) {
	auth, err := encodedAuth(c)
	if err != nil {
		return "", err
	}
	answer, err := e.api.DistributionInspect(ctx, name, auth)
	if err != nil {
		return "", err
	}
	return answer.Descriptor.Digest.String(), nil
}

// Import makes an image from an archive of files. changes are lines of a Dockerfile.
func (e *Engine) Import(ctx context.Context, name, platform string, files io.Reader, changes ...string) error {
	stream, err := e.api.ImageImport(ctx, image.ImportSource{Source: files, SourceName: "-"}, name, image.ImportOptions{
		Platform: platform, Changes: changes,
	})
	if err != nil {
		return err
	}
	defer stream.Close()
	return followPull(stream, nil)
}

// Tagged is a name of an image, with the image's time of creation.
type Tagged struct {
	Name string
	Made time.Time
}

// Tags are all names in a repository.
func (e *Engine) Tags(ctx context.Context, repository string) ([]Tagged, error) {
	list, err := e.api.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("reference", repository))})
	var tags []Tagged
	for _, img := range list {
		for _, tag := range img.RepoTags {
			tags = append(tags, Tagged{tag, time.Unix(img.Created, 0)})
		}
	}
	return tags, err
}

// RemoveImage removes an image, or one of its names. Used images are an error.
func (e *Engine) RemoveImage(ctx context.Context, name string) error {
	_, err := e.api.ImageRemove(ctx, name, image.RemoveOptions{})
	return err
}

// encodedAuth is a credential in the engine's form; "" for none.
func encodedAuth(c *plan.Credential) (string, error) {
	if c == nil {
		return "", nil
	}
	text, err := registry.EncodeAuthConfig(registry.AuthConfig{
		Username: c.Username, Password: c.Password.Reveal(), IdentityToken: c.IdentityToken.Reveal(), ServerAddress: c.Host,
	})
	if err != nil {
		return "", fmt.Errorf("credentials for %s: %w", c.Host, err)
	}
	return text, nil
}

// maxLayer bounds a layer in the sum of a pull, in bytes. Registries name sizes as they like,
// and a sum that overflows would be below every bound.
const maxLayer = 1 << 50

// followPull reads the engine's messages about a pull to their end. At each message followPull calls
// progress, with the bytes of all layers known so far. progress may be nil, and ends the reading
// with an error.
func followPull(stream io.Reader, progress func(current, total int64) error) error {
	type layer struct{ current, total int64 }
	layers := map[string]layer{}
	var sum layer
	dec := json.NewDecoder(stream)
	for {
		var m jsonmessage.JSONMessage
		switch err := dec.Decode(&m); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case m.Error != nil:
			return m.Error
		case progress == nil:
			continue
		}
		if m.Progress != nil && (m.Progress.Total > 0 || m.Progress.Current > 0) && m.Status == "Downloading" {
			current := min(max(0, m.Progress.Current), maxLayer)
			before, now := layers[m.ID], layer{current, max(current, min(m.Progress.Total, maxLayer))}
			layers[m.ID] = now
			sum.current += now.current - before.current
			sum.total += now.total - before.total
		}
		if err := progress(sum.current, sum.total); err != nil {
			return err
		}
	}
}
