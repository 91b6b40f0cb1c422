package engine

import (
	"context"
	"slices"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"

	"gitlab-dind-executor/driver/label"
)

// Volume is the engine's description of a volume.
type Volume struct {
	Name, Driver string
	// Mountpoint is the path of the volume's data on the engine's host.
	Mountpoint      string
	Labels, Options map[string]string
}

func volumeOf(v volume.Volume) Volume {
	return Volume{Name: v.Name, Driver: v.Driver, Mountpoint: v.Mountpoint, Labels: v.Labels, Options: v.Options}
}

// Volumes lists the volumes with all of the labels, each a key or key=value.
func (e *Engine) Volumes(ctx context.Context, labels ...string) ([]*Volume, error) {
	return e.volumes(ctx, e.labelled(labels))
}

// IdleVolumes lists like Volumes, without volumes that a container has. An engine that is
// removing a container may omit the container and still hold its volumes.
func (e *Engine) IdleVolumes(ctx context.Context, labels ...string) ([]*Volume, error) {
	f := e.labelled(labels)
	f.Add("dangling", "true")
	return e.volumes(ctx, f)
}

// VolumesNamed lists the volumes with a name that matches a regular expression. Labelled volumes
// of other installations are left out. Volumes without labels stay in the list, since they name
// no installation.
func (e *Engine) VolumesNamed(ctx context.Context, expression string) ([]*Volume, error) {
	found, err := e.volumes(ctx, filters.NewArgs(filters.Arg("name", expression)))
	return slices.DeleteFunc(found, func(v *Volume) bool {
		return e.installation != "" && len(v.Labels) > 0 && v.Labels[label.Installation] != e.installation
	}), err
}

func (e *Engine) volumes(ctx context.Context, f filters.Args) ([]*Volume, error) {
	list, err := e.api.VolumeList(ctx, volume.ListOptions{Filters: f})
	found := make([]*Volume, 0, len(list.Volumes))
	for _, v := range list.Volumes {
		if v != nil {
			one := volumeOf(*v)
			found = append(found, &one)
		}
	}
	return found, err
}

// Volume describes a volume.
func (e *Engine) Volume(ctx context.Context, name string) (Volume, error) {
	v, err := e.api.VolumeInspect(ctx, name)
	return volumeOf(v), err
}

// CreateVolume creates a volume. If the name exists, the engine returns the existing volume,
// whatever its labels are.
func (e *Engine) CreateVolume(ctx context.Context, name string, labels map[string]string) (Volume, error) {
	v, err := e.api.VolumeCreate(ctx, volume.CreateOptions{Name: name, Labels: e.named(labels)})
	return volumeOf(v), err
}

// RemoveVolume removes a volume without containers. RemoveVolume never uses force, because a
// failed removal with force makes the engine forget the volume's labels.
func (e *Engine) RemoveVolume(ctx context.Context, name string) error {
	return e.api.VolumeRemove(ctx, name, false)
}

// VolumeSizes are the sizes of all volumes in bytes, by name. The engine walks all of their
// files.
func (e *Engine) VolumeSizes(ctx context.Context) (map[string]int64, error) {
	usage, err := e.api.DiskUsage(ctx, types.DiskUsageOptions{Types: []types.DiskUsageObject{types.VolumeObject}})
	sizes := map[string]int64{}
	for _, v := range usage.Volumes {
		if v != nil && v.UsageData != nil {
			sizes[v.Name] = v.UsageData.Size
		}
	}
	return sizes, err
}
