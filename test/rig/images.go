package rig

import (
	"context"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/client"
)

// imagePrefix is the host part of the images' names. The domain ".test" is reserved (RFC 2606),
// so an engine cannot pull a missing image from anywhere.
const imagePrefix = "gitlab-dind-executor.test/"

// The images that scripts/images makes.
const (
	ImageDind     = imagePrefix + "docker:dind"          // behaves as today's docker:dind does
	ImageRootless = imagePrefix + "docker:dind-rootless" // as docker:dind-rootless: the daemon of an ordinary user
	ImageOldDind  = imagePrefix + "docker:old-dind"      // as images before February 2023: makes its own server certificate
	ImageCLI      = imagePrefix + "docker:cli"           // as docker:cli: a job image
	ImageHelper   = imagePrefix + "helper:latest"        // git and a shell, as GitLab's helper image
	ImageRegistry = imagePrefix + "registry:2"           // Distribution
	ImageBusybox  = imagePrefix + "busybox:latest"       // a small job image
	ImageRedis    = imagePrefix + "redis:latest"         // Redis, with redis-cli
	ImagePostgres = imagePrefix + "postgres:latest"      // PostgreSQL, with psql
)

// Images returns the names of all images of scripts/images.
func Images() []string {
	return []string{ImageDind, ImageRootless, ImageOldDind, ImageCLI, ImageHelper, ImageRegistry, ImageBusybox, ImageRedis, ImagePostgres}
}

// Require returns an error with a hint and the names of all missing images. Without names it
// asks for all of [Images].
func Require(ctx context.Context, cli *client.Client, images ...string) error {
	if len(images) == 0 {
		images = Images()
	}
	var missing []string
	for _, image := range images {
		_, err := cli.ImageInspect(ctx, image)
		switch {
		case errdefs.IsNotFound(err):
			missing = append(missing, image)
		case err != nil:
			return fmt.Errorf("cannot look for image %s: %w\nhint: is the engine running? scripts/engine starts one", image, err)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the engine lacks %s\nhint: run scripts/images", strings.Join(missing, ", "))
	}
	return nil
}
