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

// platformAPI is the first that inspects an image for a platform.
const platformAPI = "1.49"

// Image is an image on the engine.
type Image struct {
	ID                        string
	OS, Architecture, Variant string
	// Digests are those by which registries know it, each name@sha256:…
	Digests []string
	// Configured says that it has a configuration, of which the rest is.
	Configured                       bool
	Environment, Entrypoint, Command []string
	User                             string
	// Volumes are the cleaned paths of its VOLUMEs, in order.
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

// Image looks at an image, by name. Engines that keep several platforms under one
// name are asked for the one that the reference names, else they take their own.
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

// ImageAs looks at an image by whatever the engine knows it by.
func (e *Engine) ImageAs(ctx context.Context, name string) (Image, error) {
	img, err := e.api.ImageInspect(ctx, name)
	return imageOf(img), err
}

// Fits tells whether an image is for a platform, os[/arch[/variant]], as far as it
// tells.
func (img Image) Fits(wanted string) bool {
	p := platform(wanted)
	alike := func(wanted, has string) bool { return wanted == "" || has == "" || wanted == has }
	return p == nil || alike(p.OS, img.OS) && alike(p.Architecture, img.Architecture) && (p.Variant == "" || p.Variant == img.Variant)
}

// FullName writes a reference in full. What a pipeline calls an image might be
// an id, by which an engine gives out any image that it has.
func FullName(name string) string {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name // which no engine takes
	}
	return reference.TagNameOnly(named).String()
}

// Pull fetches an image for a platform. progress gets the bytes of all layers known
// so far, and ends it with an error; it may be nil.
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

// AskRegistry lets the engine ask an image's registry for its digest, and fetches
// nothing. Registries count that as a pull.
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

// Import makes an image of the files of an archive. changes are lines of a Dockerfile.
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

// Tagged is a name of an image, and when the image was made.
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

// RemoveImage removes an image, or one of its names, that no container has.
func (e *Engine) RemoveImage(ctx context.Context, name string) error {
	_, err := e.api.ImageRemove(ctx, name, image.RemoveOptions{})
	return err
}

// encodedAuth is a credential as the engine takes it; "" is for none.
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

// followPull reads the engine's progress to its end. progress gets the bytes of
// all layers known so far, and ends it with an error; it may be nil.
func followPull(stream io.Reader, progress func(current, total int64) error) error {
	type layer struct{ current, total int64 }
	layers := map[string]layer{}
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
		}
		if progress != nil && m.Progress != nil && (m.Progress.Total > 0 || m.Progress.Current > 0) && m.Status == "Downloading" {
			layers[m.ID] = layer{m.Progress.Current, max(m.Progress.Total, m.Progress.Current)}
			var sum layer
			for _, l := range layers {
				sum.current += l.current
				sum.total += l.total
			}
			if err := progress(sum.current, sum.total); err != nil {
				return err
			}
		}
	}
}
