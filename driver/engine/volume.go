package engine

import (
	"context"
	"slices"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"

	"gitlab-dind-executor/driver/label"
)

// Volume is a volume as the engine describes it.
type Volume struct {
	Name, Driver string
	// Mountpoint is where its data lie on the engine's host.
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

// IdleVolumes are those of Volumes that no container has. An engine that is removing
// a container may not list it any more and still hold its volumes.
func (e *Engine) IdleVolumes(ctx context.Context, labels ...string) ([]*Volume, error) {
	f := e.labelled(labels)
	f.Add("dangling", "true")
	return e.volumes(ctx, f)
}

// VolumesNamed lists the volumes whose names match a regular expression. What has
// labels is this installation's alone; of those without any nobody can tell.
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

// Volume looks at a volume.
func (e *Engine) Volume(ctx context.Context, name string) (Volume, error) {
	v, err := e.api.VolumeInspect(ctx, name)
	return volumeOf(v), err
}

// CreateVolume creates a volume. The engine returns the one that has the name, if
// there is one, whatever its labels are.
func (e *Engine) CreateVolume(ctx context.Context, name string, labels map[string]string) (Volume, error) {
	v, err := e.api.VolumeCreate(ctx, volume.CreateOptions{Name: name, Labels: e.named(labels)})
	return volumeOf(v), err
}

// RemoveVolume removes a volume that no container has. It never forces that: a
// forced removal that fails makes the engine forget whose the volume is.
func (e *Engine) RemoveVolume(ctx context.Context, name string) error {
	return e.api.VolumeRemove(ctx, name, false)
}

// VolumeSizes lets the engine walk all volumes; sizes are in bytes, by name.
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
