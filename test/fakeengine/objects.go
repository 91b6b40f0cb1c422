package fakeengine

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// Container is a container that runs nothing.
type Container struct {
	ID, Name string
	Labels   map[string]string
	// Image is the name of the container's image. ImageID is the image's id, if the container
	// was created by id.
	Image, ImageID string
	// Log is the container's output.
	Log string
	// Config and Host are the request's Config and HostConfig, unchanged.
	Config map[string]any
	Host   map[string]any
	// Disconnected says that the container has lost its network. OnStart may set it.
	Disconnected bool
	// IP is the container's address in its network, and Started its start time. OnStart may set
	// them. Without them the engine leaves both out of its answers.
	IP      string
	Started time.Time
	// Paused says that the container's processes stand still until the container goes on.
	Paused bool

	// places are the paths of mounts in the container.
	places []string
	// volumes are the mounted volumes.
	volumes []string
	running bool
	// started says that the container ran at some time.
	started bool
	code    int
	// ended is closed while the container does not run. next is closed at its next exit, and
	// removed at its removal.
	ended, next, removed chan struct{}
}

// Exit lets a container end with a code. OnStart may call it.
func (c *Container) Exit(code int) {
	if c.running {
		c.running, c.code = false, code
		close(c.ended)
		close(c.next)
		c.next = make(chan struct{})
	}
}

// Network is a network without packets.
type Network struct {
	ID, Name, Subnet string
	Labels           map[string]string
}

// Volume is a volume without files.
type Volume struct {
	Name   string
	Labels map[string]string
	// Size is the volume's size in the engine's answers, in bytes.
	Size int64
	// immutable says that the volume holds a file that cannot be removed.
	immutable bool
}

// Image is an image's own description.
type Image struct {
	Entrypoint, Cmd []string
	Volumes, Env    []string
	// Platform is os/arch; "" is linux/amd64.
	Platform string
	// ID is sha256:…; "" is zeros. Digest is the image's digest in a registry; "" is ID.
	ID, Digest string
}

func (i Image) id() string { return cmp.Or(i.ID, "sha256:"+strings.Repeat("0", 64)) }

// imageKey writes a name as short as pipelines do, with its tag.
func imageKey(name string) string {
	name = strings.TrimPrefix(strings.TrimPrefix(name, "docker.io/"), "library/")
	if !strings.ContainsAny(name[strings.LastIndex(name, "/")+1:], ":@") {
		name += ":latest"
	}
	return name
}

// repository is a name without its tag.
func repository(name string) string {
	name, _, _ = strings.Cut(name, "@")
	if i := strings.LastIndex(name, ":"); i > strings.LastIndex(name, "/") {
		name = name[:i]
	}
	return name
}

// ServeImage puts an image into the registry, for pulls and questions. Of every other name the
// registry has an image, too.
func (e *Engine) ServeImage(name string, i Image) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.registry[imageKey(name)] = i
}

// AddImage puts an image on the engine, so that no pull is needed.
func (e *Engine) AddImage(name string, i Image) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.images[imageKey(name)] = i
}

// AddContainer puts a container on the engine.
func (e *Engine) AddContainer(name string, labels map[string]string, running bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := newContainer(e.id(), name, labels)
	e.containers = append(e.containers, c)
	if running {
		c.start()
	}
}

// Mount lets a container have a volume.
func (e *Engine) Mount(container, volume string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.container(container)
	c.volumes = append(c.volumes, volume)
}

// MountAt says where mounts of a container lie.
func (e *Engine) MountAt(container string, places ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.container(container)
	c.places = append(c.places, places...)
}

// Containers returns copies of all containers.
func (e *Engine) Containers() []Container {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []Container
	for _, c := range e.containers {
		list = append(list, *c)
	}
	return list
}

// AddNetwork puts a network on the engine.
func (e *Engine) AddNetwork(name string, labels map[string]string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.networks = append(e.networks, &Network{ID: e.id(), Name: name, Labels: maps.Clone(labels)})
}

// AddVolume puts a volume on the engine.
func (e *Engine) AddVolume(name string, labels map[string]string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.addVolume(name, labels)
}

// Fill lets a volume have a size, in bytes.
func (e *Engine) Fill(name string, size int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, v := range e.volumes {
		if v.Name == name {
			v.Size = size
		}
	}
}

// Immutable puts a file that cannot be removed into a volume, or takes the file out.
func (e *Engine) Immutable(name string, yes bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, v := range e.volumes {
		if v.Name == name {
			v.immutable = yes
		}
	}
}

// empty carries out a container's order to empty volumes; e.mu is held.
func (e *Engine) empty(c *Container) {
	command, _ := c.Config["Cmd"].([]any)
	for _, v := range e.volumes {
		if len(command) > 0 && command[0] == "empty-volume" && slices.Contains(c.volumes, v.Name) {
			v.immutable, v.Size = false, 0
		}
	}
}

// Volumes returns copies of all volumes.
func (e *Engine) Volumes() []Volume {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []Volume
	for _, v := range e.volumes {
		list = append(list, *v)
	}
	return list
}

// addVolume returns the volume with the name, and makes a missing volume; e.mu is held.
func (e *Engine) addVolume(name string, labels map[string]string) *Volume {
	if i := slices.IndexFunc(e.volumes, func(v *Volume) bool { return v.Name == name }); i >= 0 {
		return e.volumes[i]
	}
	v := &Volume{Name: name, Labels: maps.Clone(labels)}
	e.volumes = append(e.volumes, v)
	return v
}

// Remove removes the objects with a name, of whatever kind, as somebody else would.
func (e *Engine) Remove(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.containers = slices.DeleteFunc(e.containers, func(c *Container) bool {
		if c.Name != name {
			return false
		}
		c.remove()
		return true
	})
	e.volumes = slices.DeleteFunc(e.volumes, func(v *Volume) bool { return v.Name == name })
	e.networks = slices.DeleteFunc(e.networks, func(n *Network) bool { return n.Name == name })
}

// Container returns a copy of the container with a name; nil if there is none.
func (e *Engine) Container(name string) *Container {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.container(name)
	if c == nil {
		return nil
	}
	clone := *c
	return &clone
}

// Exit lets the container with a name end with a code, if it runs.
func (e *Engine) Exit(name string, code int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.container(name); c != nil {
		c.Exit(code)
	}
}

// Networks returns copies of all networks.
func (e *Engine) Networks() []Network {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []Network
	for _, n := range e.networks {
		list = append(list, *n)
	}
	return list
}

// container finds a container by id or name; e.mu is held.
func (e *Engine) container(ref string) *Container {
	for _, c := range e.containers {
		if c.ID == ref || c.Name == ref {
			return c
		}
	}
	return nil
}

func newContainer(id, name string, labels map[string]string) *Container {
	c := &Container{ID: id, Name: name, Labels: maps.Clone(labels), ended: make(chan struct{}), next: make(chan struct{}), removed: make(chan struct{})}
	close(c.ended) // the container does not run yet
	return c
}

// isProgram tells whether a container runs the executor's own program.
func (c *Container) isProgram() bool { return c.Labels["gitlab-dind-executor.role"] == "program" }

func (c *Container) start() { c.running, c.started, c.ended = true, true, make(chan struct{}) }

func (c *Container) remove() {
	c.Exit(137)
	close(c.removed)
	close(c.next)
}
