package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
)

// RemoveStale removes leftovers of rigs whose process has ended from the engine: containers,
// networks, volumes, derived images. Objects whose owner may live stay, and temporary
// directories are left to the system. [StartRegistry] and [Unchanged] call RemoveStale first.
// Any process may call it at any time, several at once included.
//
// RemoveStale goes on after a failure and returns all failures, joined.
func RemoveStale(ctx context.Context, cli *client.Client) error {
	me, err := self()
	if err != nil {
		return err
	}
	stale := func(labels map[string]string) bool {
		o, ok := parseOwner(labels[labelOwner])
		return ok && o.dead(me, startOf)
	}
	rigs := filters.NewArgs(filters.Arg("label", LabelWhat))

	var errs []error
	containers, err := cli.ContainerList(ctx, container.ListOptions{All: true, Filters: rigs})
	errs = append(errs, err)
	for _, c := range containers {
		// The name counts as well, because each container of a derived image inherits its
		// labels without being the rig's.
		if stale(c.Labels) && len(c.Names) > 0 && strings.HasPrefix(c.Names[0], "/"+NamePrefix) {
			errs = append(errs, removeContainer(ctx, cli, c.ID))
		}
	}
	networks, err := cli.NetworkList(ctx, network.ListOptions{Filters: rigs})
	errs = append(errs, err)
	for _, n := range networks {
		if stale(n.Labels) {
			errs = append(errs, removeNetwork(ctx, cli, n.ID))
		}
	}
	volumes, err := cli.VolumeList(ctx, volume.ListOptions{Filters: rigs})
	errs = append(errs, err)
	for _, v := range volumes.Volumes {
		if stale(v.Labels) {
			errs = append(errs, removeVolume(ctx, cli, v.Name))
		}
	}
	images, err := cli.ImageList(ctx, image.ListOptions{Filters: rigs})
	errs = append(errs, err)
	for _, i := range images {
		// The removal is by tag, so that images built from this image stay whole.
		for _, tag := range i.RepoTags {
			if stale(i.Labels) && strings.HasPrefix(tag, derivedRepo+":") {
				// A container may still run from the image. A later call removes it then.
				if err := removeImage(ctx, cli, tag); !errdefs.IsConflict(err) {
					errs = append(errs, err)
				}
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cannot remove what an earlier run left: %w", err)
	}
	return nil
}

// removeContainer removes a container in any state, with its anonymous volumes. A missing
// container, or a container on its way out, is success.
func removeContainer(ctx context.Context, cli *client.Client, id string) error {
	err := cli.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) && strings.Contains(err.Error(), "in progress") {
		return nil
	}
	return err
}

// removeNetwork removes a network. A missing network is success.
func removeNetwork(ctx context.Context, cli *client.Client, id string) error {
	if err := cli.NetworkRemove(ctx, id); !errdefs.IsNotFound(err) {
		return err
	}
	return nil
}

// removeVolume removes a volume. A missing volume is success. A killed test of hostile files
// leaves immutable files, so removeVolume clears their flags.
func removeVolume(ctx context.Context, cli *client.Client, name string) error {
	err := cli.VolumeRemove(ctx, name, false)
	if errdefs.IsInternal(err) {
		v, inspectErr := cli.VolumeInspect(ctx, name)
		if inspectErr != nil {
			return errors.Join(err, inspectErr)
		}
		args := []string{"chattr", "-R", "-f", "-i", "-a", v.Mountpoint}
		if os.Geteuid() != 0 {
			args = append([]string{"sudo"}, args...)
		}
		_ = exec.CommandContext(ctx, args[0], args[1:]...).Run() // the removal tells
		err = cli.VolumeRemove(ctx, name, false)
	}
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}

// removeImage removes a tag, and the image with its last tag. A missing tag is success.
func removeImage(ctx context.Context, cli *client.Client, ref string) error {
	if _, err := cli.ImageRemove(ctx, ref, image.RemoveOptions{PruneChildren: true}); !errdefs.IsNotFound(err) {
		return err
	}
	return nil
}
