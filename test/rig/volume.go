package rig

import (
	"context"
	"fmt"
	"sync"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/client"
)

// HoldVolume keeps a volume in use, and so from removal, until the first call of release.
// Further calls do nothing. The holding container never runs.
func HoldVolume(ctx context.Context, cli *client.Client, volume string) (release func() error, err error) {
	labels, err := Labels("holder")
	if err != nil {
		return nil, err
	}
	created, err := cli.ContainerCreate(ctx, &container.Config{Image: ImageBusybox, Labels: labels},
		&container.HostConfig{Mounts: []mount.Mount{{Type: mount.TypeVolume, Source: volume, Target: "/held"}}}, nil, nil, UniqueName("holder"))
	if err != nil {
		return nil, fmt.Errorf("cannot hold volume %s: %w", volume, err)
	}
	return sync.OnceValue(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), removalTime)
		defer cancel()
		// The removal leaves the volume alone, because the volume is not the rig's.
		if err := cli.ContainerRemove(ctx, created.ID, container.RemoveOptions{}); err != nil {
			return fmt.Errorf("cannot let go of volume %s: %w", volume, err)
		}
		return nil
	}), nil
}
