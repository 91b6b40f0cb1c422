package driver

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
)

// created is all that the engine needs to create a container.
type created struct {
	name     string
	config   *container.Config
	host     *container.HostConfig
	network  *network.NetworkingConfig
	platform *ocispec.Platform
}

// convert turns a container of the plan into the API's structs. The image is
// needed for its VOLUMEs: each gets a labelled volume over it, so that nothing
// anonymous is left behind.
func convert(p *plan.Plan, c plan.Container, name string, labels map[string]string, img image.InspectResponse) created {
	if c.DataVolume != "" {
		labels = maps.Clone(labels)
		labels[label.Data] = c.DataVolume
	}
	out := created{
		name: name,
		config: &container.Config{
			Image:        imageID(c.Image, img),
			Entrypoint:   c.Entrypoint,
			Cmd:          c.Command,
			User:         c.User,
			Env:          c.Environment,
			Hostname:     c.Hostname,
			Labels:       label.Called(labels, c.Image),
			AttachStdout: c.Stdin,
			AttachStderr: c.Stdin,
			AttachStdin:  c.Stdin,
			OpenStdin:    c.Stdin || c.Serves,
			StdinOnce:    c.Stdin,
		},
		host: &container.HostConfig{
			NetworkMode: container.NetworkMode(label.NetworkName(p.Sandbox)),
			Privileged:  c.Privileged,
			ExtraHosts:  c.ExtraHosts,
			Resources:   resources(c.Limits),
			Mounts:      mounts(p, c, name, img),
			// Run reads the log: another driver than this, as an engine's
			// default may be, would lose lines or hang.
			LogConfig: container.LogConfig{
				Type:   "json-file",
				Config: map[string]string{"max-size": "64m", "max-file": "2"},
			},
		},
		network: &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
			label.NetworkName(p.Sandbox): {Aliases: c.Aliases},
		}},
		platform: platform(c.Image.Platform),
	}
	entitle(out.host, c)
	return out
}

// imageID is what a container is made of: not a name, which another job may have
// given to another image by then.
func imageID(ref plan.ImageRef, img image.InspectResponse) string {
	if img.ID == "" {
		return ref.Name
	}
	return img.ID
}

// resources are a container's limits. Memory and swap together are no more than
// memory alone, or a leak would go on in the swap.
func resources(l plan.Limits) container.Resources {
	r := container.Resources{NanoCPUs: l.NanoCPUs, Memory: l.Memory, MemorySwap: l.Memory}
	if l.PIDs > 0 {
		r.PidsLimit = &l.PIDs
	}
	return r
}

// entitle translates what a container may do.
func entitle(host *container.HostConfig, c plan.Container) {
	r := c.Rights
	host.CapAdd, host.CapDrop = r.CapAdd, r.CapDrop
	host.Runtime = r.Runtime
	if c.Privileged || r.PrivateCgroups {
		// The inner daemon's cgroups are its own, not the host's.
		host.CgroupnsMode = container.CgroupnsModePrivate
	}
	if r.Unconfined {
		host.SecurityOpt = append(host.SecurityOpt, "seccomp=unconfined", "apparmor=unconfined")
		// Empty, not nil: none, not the engine's own.
		host.MaskedPaths, host.ReadonlyPaths = []string{}, []string{}
	}
	if r.NoNewPrivileges {
		host.SecurityOpt = append(host.SecurityOpt, "no-new-privileges")
	}
	for _, d := range r.Devices {
		host.Devices = append(host.Devices, container.DeviceMapping{PathOnHost: d, PathInContainer: d, CgroupPermissions: "rwm"})
	}
}

func mounts(p *plan.Plan, c plan.Container, name string, img image.InspectResponse) []mount.Mount {
	// Several containers have these volumes, and an image of which the job's right
	// is not known yet must leave nothing there.
	builds := volumeMount(label.ObjectName(p.Sandbox, plan.RoleBuilds), c.BuildsPath, label.ForSandbox(p, plan.RoleBuilds))
	builds.VolumeOptions.NoCopy = true
	list := []mount.Mount{builds}
	covered := []string{c.BuildsPath}
	if c.DataPath != "" {
		name, labels := label.ObjectName(p.Sandbox, plan.RoleData), label.ForSandbox(p, plan.RoleData)
		if c.DataVolume != "" {
			name, labels = c.DataVolume, label.ForData(p.Claim, p.Sandbox)
		}
		list = append(list, volumeMount(name, c.DataPath, labels))
		covered = append(covered, c.DataPath)
	}
	if c.CachePath != "" {
		name, labels := label.CacheName(p.Claim.Scope), label.ForCached(p.Claim, plan.RoleCache)
		if c.CacheEnds {
			name, labels = label.ObjectName(p.Sandbox, plan.RoleCache), label.ForSandbox(p, plan.RoleScratch)
		}
		cache := volumeMount(name, c.CachePath, labels)
		cache.VolumeOptions.NoCopy = true
		list = append(list, cache)
		covered = append(covered, c.CachePath)
	}
	if c.CertsPath != "" {
		m := volumeMount(label.ObjectName(p.Sandbox, plan.RoleCerts), c.CertsPath, label.ForSandbox(p, plan.RoleCerts))
		m.VolumeOptions.NoCopy = true // what an image has there is not its
		list = append(list, m)
		covered = append(covered, c.CertsPath)
	}
	if c.SeedVolume != "" {
		// Were it removed at this moment, the engine would make an empty one.
		seed := volumeMount(c.SeedVolume, plan.SeedPath, label.ForSeed(plan.RoleSeed, "", "-"))
		seed.ReadOnly = true
		list = append(list, seed)
	}
	if c.DataVolume != "" {
		// The sidecar has the name of its data root, which the next one has, too.
		name = label.ObjectName(p.Sandbox, c.Role)
	}
	for i, volume := range imageVolumes(img) {
		if slices.Contains(covered, volume) {
			continue
		}
		list = append(list, volumeMount(label.ScratchName(name, i), volume, label.InSandbox(p.Sandbox, plan.RoleScratch)))
	}
	return list
}

// volumeMount mounts a volume that the engine creates, labelled, if it is not
// there yet.
func volumeMount(name, path string, labels map[string]string) mount.Mount {
	return mount.Mount{
		Type: mount.TypeVolume, Source: name, Target: path,
		VolumeOptions: &mount.VolumeOptions{Labels: labels},
	}
}

// imageVolumes are the cleaned paths of an image's VOLUMEs, in order.
func imageVolumes(img image.InspectResponse) []string {
	if img.Config == nil {
		return nil
	}
	var paths []string
	for volume := range img.Config.Volumes {
		if p := path.Join("/", volume); p != "/" {
			paths = append(paths, p)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// platform parses os[/arch[/variant]]; nil means the engine's own.
func platform(s string) *ocispec.Platform {
	if s == "" {
		return nil
	}
	parts := append(strings.SplitN(s, "/", 3), "", "")
	return &ocispec.Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2]}
}
