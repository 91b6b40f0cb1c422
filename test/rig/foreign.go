package rig

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
)

// Foreign is the objects of an executor of another version, called by another Runner, on an
// engine. Its owner is dead and its time is over. So, by its labels, any sweep, pool, cache or
// seed of this program would take or remove it.
type Foreign struct {
	cli        *client.Client
	containers []string
	// running says of each container whether it ran when planted.
	running  map[string]bool
	networks []string
	volumes  []string
}

// foreignOwner is a Runner of this host that has ended.
const foreignOwner = `{"machine":"","host":"elsewhere","pidns":"","boot":"","pid":1,"start":1}`

// PlantForeign makes the objects of a [Foreign]. These are four sandboxes, a cache, layers, a
// seed and a mirror. The first sandbox has a running sidecar and a job container that never
// ran. The others are a sandbox in a pool, an orphan and a held sandbox.
func PlantForeign(ctx context.Context, cli *client.Client) (f *Foreign, err error) {
	f = &Foreign{cli: cli, running: map[string]bool{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Remove(context.WithoutCancel(ctx)))
		}
	}()
	const prefix = "gitlab-dind-executor."
	labels := func(role string, more ...string) map[string]string {
		l := map[string]string{prefix + "role": role, prefix + "created": time.Now().Add(-24 * time.Hour).UTC().Format(time.RFC3339), prefix + "version": "0.9.0"}
		for i := 0; i < len(more); i += 2 {
			l[prefix+more[i]] = more[i+1]
		}
		return l
	}
	scope := []string{"scope", "gitlab.example.net/1/protected", "instance", "gitlab.example.net", "project", "a/b", "protected", "true"}
	const used, waits, orphan, held = "f00000000001", "f00000000002", "f00000000003", "f00000000004"
	for _, sandbox := range []string{used, waits, orphan, held} {
		in := []string{"sandbox", sandbox, "spec", "0123456789ab"}
		if err := f.volume(ctx, "dind-"+sandbox+"-builds", labels("builds", in...)); err != nil {
			return f, err
		}
		if sandbox == orphan {
			continue // an orphan has no network
		}
		if err := f.network(ctx, "dind-"+sandbox, labels("network", in...)); err != nil {
			return f, err
		}
		until := []string{"deadline", time.Now().Add(time.Hour).UTC().Format(time.RFC3339)}
		job := slices.Concat(in, []string{"job", "gitlab.example.net/7", "owner", foreignOwner, "deadline", time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)})
		sidecar := in
		if sandbox == waits {
			sidecar = slices.Concat(in, until)
		}
		for role, l := range map[string][]string{"sidecar": sidecar, "helper": in} {
			if err := f.container(ctx, "dind-"+sandbox+"-"+role, labels(role, l...), true); err != nil {
				return f, err
			}
		}
		if sandbox != waits {
			if err := f.container(ctx, "dind-"+sandbox+"-job", labels("job", job...), false); err != nil {
				return f, err
			}
		}
		if sandbox == held {
			if err := f.volume(ctx, "dind-"+sandbox+"-held", labels("held", slices.Concat([]string{"sandbox", sandbox, "job", "gitlab.example.net/8"}, until)...)); err != nil {
				return f, err
			}
		}
	}
	// A cache is known by a name as long as a hash.
	hash := strings.Repeat("f0000001", 8)
	scope1 := sha256.Sum256([]byte(scope[1]))
	for name, l := range map[string]map[string]string{
		"dind-cache-" + hex.EncodeToString(scope1[:]): labels("cache", scope...),
		"dind-data-" + hash + "-0":                    labels("data", scope...),
		"dind-seed-0123456789ab-f00000000009":         labels("seed", "spec", "0123456789ab", "seed", "f00000000009"),
		"dind-seed-0123456789ab-f00000000009-ready":   labels("mark", "spec", "0123456789ab", "seed", "f00000000009", "of", "dind-seed-0123456789ab-f00000000009"),
		"dind-mirror-f0000001":                        labels("mirror", "remote", "https://registry-1.docker.io"),
	} {
		if err := f.volume(ctx, name, l); err != nil {
			return f, err
		}
	}
	return f, f.container(ctx, "dind-mirror-f0000001", labels("mirror", "remote", "https://registry-1.docker.io"), false)
}

func (f *Foreign) volume(ctx context.Context, name string, labels map[string]string) error {
	v, err := f.cli.VolumeCreate(ctx, volume.CreateOptions{Name: name, Labels: labels})
	if err == nil {
		f.volumes = append(f.volumes, v.Name)
	}
	return err
}

func (f *Foreign) network(ctx context.Context, name string, labels map[string]string) error {
	n, err := f.cli.NetworkCreate(ctx, name, network.CreateOptions{Driver: "bridge", Internal: true, Labels: labels})
	if err == nil {
		f.networks = append(f.networks, n.ID)
	}
	return err
}

func (f *Foreign) container(ctx context.Context, name string, labels map[string]string, started bool) error {
	c, err := f.cli.ContainerCreate(ctx, &container.Config{Image: ImageBusybox, Cmd: []string{"sleep", "3600"}, Labels: labels},
		&container.HostConfig{NetworkMode: "none"}, nil, nil, name)
	if err != nil {
		return err
	}
	f.containers = append(f.containers, c.ID)
	f.running[c.ID] = started
	if !started {
		return nil
	}
	return f.cli.ContainerStart(ctx, c.ID, container.StartOptions{})
}

// Changed lists the containers, networks and volumes that are gone, and the containers in
// another state than before. The list is empty if all is as it was.
func (f *Foreign) Changed(ctx context.Context) (changed []string) {
	for _, id := range f.containers {
		c, err := f.cli.ContainerInspect(ctx, id)
		switch {
		case err != nil:
			changed = append(changed, "container "+id[:12]+" is gone")
		case c.State.Running != f.running[id]:
			changed = append(changed, "container "+c.Name+" is "+c.State.Status)
		}
	}
	for _, id := range f.networks {
		if _, err := f.cli.NetworkInspect(ctx, id, network.InspectOptions{}); err != nil {
			changed = append(changed, "network "+id[:12]+" is gone")
		}
	}
	for _, name := range f.volumes {
		if _, err := f.cli.VolumeInspect(ctx, name); err != nil {
			changed = append(changed, "volume "+name+" is gone")
		}
	}
	return changed
}

// Remove removes the rest of the planted objects.
func (f *Foreign) Remove(ctx context.Context) error {
	var errs []error
	for _, id := range f.containers {
		errs = append(errs, removeContainer(ctx, f.cli, id))
	}
	for _, id := range f.networks {
		errs = append(errs, removeNetwork(ctx, f.cli, id))
	}
	for _, name := range f.volumes {
		if err := f.cli.VolumeRemove(ctx, name, false); !errdefs.IsNotFound(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
