package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
)

// Spec is everything that the engine needs to create a container.
type Spec struct {
	Name     string
	config   *container.Config
	host     *container.HostConfig
	network  *network.NetworkingConfig
	platform *ocispec.Platform
}

// Mount is a volume, or a file of the engine's host, in a container.
type Mount struct {
	// Volume is a name. The engine makes a missing volume, with the labels.
	Volume string
	Labels map[string]string
	// NoCopy keeps the engine from filling a new volume from the image.
	NoCopy bool
	// File is the path of a file on the engine's host, if Volume is empty.
	File     string
	Target   string
	ReadOnly bool
}

func (m Mount) api() mount.Mount {
	if m.Volume == "" {
		return mount.Mount{Type: mount.TypeBind, Source: m.File, Target: m.Target, ReadOnly: m.ReadOnly}
	}
	return mount.Mount{
		Type: mount.TypeVolume, Source: m.Volume, Target: m.Target, ReadOnly: m.ReadOnly,
		VolumeOptions: &mount.VolumeOptions{Labels: m.Labels, NoCopy: m.NoCopy},
	}
}

// With is the spec with more mounts.
func (s Spec) With(more ...Mount) Spec {
	host := *s.host
	host.Mounts = slices.Clone(host.Mounts)
	for _, m := range more {
		host.Mounts = append(host.Mounts, m.api())
	}
	s.host = &host
	return s
}

// Alone is the spec of a container without network and volumes. The image's VOLUMEs are in
// memory.
func (s Spec) Alone(img Image) Spec {
	host := *s.host
	host.NetworkMode, host.Mounts, host.Tmpfs = "none", nil, map[string]string{}
	for _, v := range img.Volumes {
		host.Tmpfs[v] = ""
	}
	s.host, s.network = &host, nil
	return s
}

// annotationsSince is the version of the API that hands annotations to a runtime.
const annotationsSince = "1.43"

// ErrNoAnnotations is returned for an engine that hands no annotations to a runtime.
var ErrNoAnnotations = errors.New("the engine hands no annotations to a runtime: it is older than 24.0")

// InFile is the spec with a mount kept in a file by gVisor's runtime. source is the mounted
// directory on the engine's host, where the file of at most size bytes lies. The runtime removes
// the file when the container ends. Source: https://gvisor.dev/docs/user_guide/filesystem/ and
// runsc/boot/mount_hints.go.
func (e *Engine) InFile(s Spec, source string, size int64) (Spec, error) {
	if !e.Speaks(annotationsSince) {
		return s, ErrNoAnnotations
	}
	host := *s.host
	const mount = "dev.gvisor.spec.mount.data."
	host.Annotations = map[string]string{
		mount + "source": source, mount + "type": "tmpfs", mount + "share": "container",
		mount + "options": fmt.Sprintf("rw,mode=711,size=%d", size),
	}
	s.host = &host
	return s, nil
}

// Create creates a container and returns its id. The end of ctx does not cut the request off.
func (e *Engine) Create(ctx context.Context, s Spec) (id string, err error) {
	if ctx.Err() != nil {
		return "", fmt.Errorf("creating container %s: %w", s.Name, ctx.Err())
	}
	ctx, cancel := e.Uncut(ctx)
	defer cancel()
	s = e.namedSpec(e.withMAC(s))
	r, err := e.api.ContainerCreate(ctx, s.config, s.host, s.network, s.platform, s.Name)
	if err != nil {
		return "", e.Explain("creating container "+s.Name, err)
	}
	if s.config.Labels[label.Sandbox] != "" {
		e.Expect(r.ID)
	}
	return r.ID, nil
}

// SpecOf is the spec of a container of a plan. Each VOLUME of the image gets a labelled volume on
// top, so nothing anonymous is left behind.
func SpecOf(p *plan.Plan, c plan.Container, name string, labels map[string]string, img Image) Spec {
	if c.DataVolume != "" {
		labels = maps.Clone(labels)
		labels[label.Data] = c.DataVolume
	}
	out := Spec{
		Name: name,
		config: &container.Config{
			Image:        imageID(c.Image, img),
			Entrypoint:   c.Entrypoint,
			Cmd:          c.Command,
			User:         c.User,
			Env:          c.Environment,
			Hostname:     c.Hostname,
			Labels:       label.Besides(label.Called(labels, c.Image), c.Extras.Labels),
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
			Init:        initOf(c),
			Resources:   resources(c.Limits),
			// Run reads the log. Another log driver, such as an engine's default, would lose
			// lines or hang.
			LogConfig: logs("64m", "2"),
		},
		network: &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
			label.NetworkName(p.Sandbox): {Aliases: c.Aliases},
		}},
		platform: platform(c.Image.Platform),
	}
	if c.InMemory() {
		// The daemon runs programs from this directory.
		out.host.Tmpfs = map[string]string{c.DataPath: fmt.Sprintf("exec,mode=711,size=%d", c.DataSize)}
	}
	if c.IP.IsValid() {
		at := &network.EndpointIPAMConfig{IPv4Address: c.IP.String()}
		if c.IP6.IsValid() {
			at.IPv6Address = c.IP6.String()
		}
		out.network.EndpointsConfig[label.NetworkName(p.Sandbox)].IPAMConfig = at
	}
	entitle(out.host, c)
	extend(&out, c)
	if c.Joins != "" {
		out.join(c.Joins)
	}
	return out.With(mountsOf(p, c, name, img)...)
}

// join makes a container use the network of another container. Names, address and name servers
// are the other's then, and the engine refuses a container with its own.
func (s *Spec) join(container string) {
	s.host.NetworkMode, s.network = joining(container), nil
	s.host.ExtraHosts, s.host.DNS, s.host.DNSSearch, s.config.Hostname = nil, nil, nil, ""
}

func joining(name string) container.NetworkMode { return container.NetworkMode("container:" + name) }

// initOf is nil without a wish of the job: the engine's daemon.json decides then.
func initOf(c plan.Container) *bool {
	if !c.Init {
		return nil
	}
	return &c.Init
}

func logs(size, files string) container.LogConfig {
	return container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": size, "max-file": files}}
}

// imageID is the image of a container, by id: another job may give the name to another image
// meanwhile.
func imageID(ref plan.ImageRef, img Image) string {
	if img.ID == "" {
		return ref.Name
	}
	return img.ID
}

// entitle translates a container's rights.
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
		// An empty list means none, while nil means the engine's own list.
		host.MaskedPaths, host.ReadonlyPaths = []string{}, []string{}
	}
	if r.NoNewPrivileges {
		host.SecurityOpt = append(host.SecurityOpt, "no-new-privileges")
	}
	for _, d := range r.Devices {
		host.Devices = append(host.Devices, container.DeviceMapping{PathOnHost: d.Host, PathInContainer: d.Path, CgroupPermissions: d.Permissions})
	}
	host.SecurityOpt = append(host.SecurityOpt, r.SecurityOpt...)
	host.DeviceCgroupRules = r.DeviceRules
	if g := r.GPUs; g != nil {
		host.DeviceRequests = []container.DeviceRequest{{Count: g.Count, DeviceIDs: g.IDs, Capabilities: [][]string{{"gpu"}}}}
	}
}

func mountsOf(p *plan.Plan, c plan.Container, name string, img Image) []Mount {
	// Several containers have this volume. An image must leave nothing there before the job's
	// right to the image is known.
	list := []Mount{{
		Volume: label.ObjectName(p.Sandbox, plan.RoleBuilds), Target: c.BuildsPath, Labels: label.ForSandbox(p, plan.RoleBuilds), NoCopy: true,
	}}
	covered := []string{c.BuildsPath}
	if c.InMemory() {
		covered = append(covered, c.DataPath) // in memory
	} else if c.DataPath != "" {
		m := Mount{Volume: label.ObjectName(p.Sandbox, plan.RoleData), Target: c.DataPath, Labels: label.ForSandbox(p, plan.RoleData)}
		if c.DataVolume != "" {
			m.Volume, m.Labels = c.DataVolume, label.ForData(p.Claim, p.Sandbox)
		}
		list = append(list, m)
		covered = append(covered, c.DataPath)
	}
	for _, k := range c.Caches() {
		m := Mount{Volume: label.PathCacheName(p.Claim.Scope, k.Path), Target: k.At, Labels: label.ForPathCache(p.Claim, k.Path), NoCopy: true}
		if c.CacheEnds {
			m.Volume, m.Labels = label.OwnCacheName(p.Sandbox, k.Path), label.ForSandbox(p, plan.RoleScratch)
		}
		list = append(list, m)
		covered = append(covered, k.At)
	}
	if c.CertsPath != "" {
		list = append(list, Mount{
			Volume: label.ObjectName(p.Sandbox, plan.RoleCerts), Target: c.CertsPath, Labels: label.ForSandbox(p, plan.RoleCerts),
			NoCopy: true, // the image's own files there do not belong to the volume
			// Only the job and its sidecar write there.
			ReadOnly: c.Role == plan.RoleService,
		})
		covered = append(covered, c.CertsPath)
	}
	if c.SeedVolume != "" {
		// If somebody removed the seed at this moment, the engine would make an empty one.
		list = append(list, Mount{Volume: c.SeedVolume, Target: plan.SeedPath, Labels: label.ForSeed(plan.RoleSeed, "", "-"), ReadOnly: true})
	}
	for _, b := range c.Extras.Binds {
		list = append(list, Mount{File: b.Source, Target: b.Target, ReadOnly: b.ReadOnly})
		covered = append(covered, b.Target)
	}
	covered = slices.AppendSeq(covered, maps.Keys(c.Extras.Tmpfs))
	if c.DataVolume != "" {
		// The sidecar has the name of its data root, and so will the next sidecar.
		name = label.ObjectName(p.Sandbox, c.Role)
	}
	for i, volume := range img.Volumes {
		if slices.Contains(covered, volume) {
			continue
		}
		list = append(list, Mount{Volume: label.ScratchName(name, i), Target: volume, Labels: label.InSandbox(p.Sandbox, plan.RoleScratch)})
	}
	return list
}

// imageVolumes are the cleaned paths of an image's VOLUMEs, in order.
func imageVolumes(volumes map[string]struct{}) []string {
	var paths []string
	for volume := range volumes {
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
