package engine

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
)

// This file has the specs of containers that no plan describes.

// Confined is a container for work on volumes, without network and with a read-only root
// directory.
type Confined struct {
	Name, Image string
	Labels      map[string]string
	// Root runs Entrypoint with Command, with no capabilities except Rights.
	Entrypoint, Command, Rights []string
	Volumes                     []Mount
	// Memory is the limit in bytes, and Threads the largest number of threads.
	Memory, Threads int64
}

// Spec is the container's spec.
func (c Confined) Spec() Spec {
	threads := c.Threads
	var mounts []mount.Mount
	for _, v := range c.Volumes {
		mounts = append(mounts, v.api())
	}
	return Spec{
		Name: c.Name,
		config: &container.Config{
			Image: c.Image, User: "0:0", Labels: c.Labels, Entrypoint: c.Entrypoint, Cmd: c.Command,
		},
		host: &container.HostConfig{
			NetworkMode: "none", ReadonlyRootfs: true,
			CapDrop: []string{"ALL"}, CapAdd: c.Rights, SecurityOpt: []string{"no-new-privileges"},
			Mounts:    mounts,
			Resources: container.Resources{Memory: c.Memory, MemorySwap: c.Memory, PidsLimit: &threads},
			LogConfig: logs("1m", "1"),
		},
	}
}

// Relay is a container in a sandbox that answers questions for names.
type Relay struct {
	Name, Image string
	Labels      map[string]string
	Command     []string
	// Network is the sandbox's network, and Address the container's address there.
	Network string
	Address netip.Addr
	// DNS are the servers for names outside; none means the engine's.
	DNS       []netip.Addr
	DNSSearch []string
	// Memory is the limit in bytes, and Threads the largest number of threads.
	Memory, Threads int64
}

// Spec is the container's spec.
func (c Relay) Spec() Spec {
	threads := c.Threads
	return Spec{
		Name:   c.Name,
		config: &container.Config{Image: c.Image, User: "0:0", Labels: c.Labels, Entrypoint: c.Command},
		host: &container.HostConfig{
			NetworkMode: container.NetworkMode(c.Network), ReadonlyRootfs: true,
			DNS: addresses(c.DNS), DNSSearch: c.DNSSearch,
			CapDrop: []string{"ALL"}, CapAdd: []string{"NET_BIND_SERVICE"}, SecurityOpt: []string{"no-new-privileges"},
			Resources: container.Resources{Memory: c.Memory, MemorySwap: c.Memory, PidsLimit: &threads},
			LogConfig: logs("1m", "1"),
		},
		network: &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
			c.Network: {IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: c.Address.String()}},
		}},
	}
}

// Seat is a container with a place in a sandbox's network, for another container to join. A seat
// does nothing, and has no rights.
type Seat struct {
	Name, Image string
	Of          Image
	Labels      map[string]string
	Command     []string
	// Network is the sandbox's network. Address and Address6, where valid, are the container's
	// addresses there, and Hostname and Aliases its names.
	Network           string
	Address, Address6 netip.Addr
	Hostname          string
	Aliases           []string
	ExtraHosts        []string
	DNS               []netip.Addr
	DNSSearch         []string
	// Memory is the limit in bytes, and Threads the largest number of threads.
	Memory, Threads int64
}

// Spec is the container's spec.
func (c Seat) Spec() Spec {
	threads, endpoint := c.Threads, &network.EndpointSettings{Aliases: c.Aliases}
	if c.Address.IsValid() {
		endpoint.IPAMConfig = &network.EndpointIPAMConfig{IPv4Address: c.Address.String()}
		if c.Address6.IsValid() {
			endpoint.IPAMConfig.IPv6Address = c.Address6.String()
		}
	}
	host := &container.HostConfig{
		NetworkMode: container.NetworkMode(c.Network), ReadonlyRootfs: true, ExtraHosts: c.ExtraHosts,
		DNS: addresses(c.DNS), DNSSearch: c.DNSSearch,
		CapDrop: []string{"ALL"}, SecurityOpt: []string{"no-new-privileges"}, Tmpfs: map[string]string{},
		Resources: container.Resources{Memory: c.Memory, MemorySwap: c.Memory, PidsLimit: &threads},
		LogConfig: logs("1m", "1"),
	}
	for _, v := range c.Of.Volumes {
		host.Tmpfs[v] = "" // without this entry the engine would make a volume
	}
	return Spec{
		Name:    c.Name,
		config:  &container.Config{Image: c.Image, Hostname: c.Hostname, Labels: c.Labels, Entrypoint: c.Command},
		host:    host,
		network: &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{c.Network: endpoint}},
	}
}

// Published is a container on the engine's default bridge, with one port published at one address
// of the host.
type Published struct {
	Name        string
	Image       plan.ImageRef
	Of          Image
	Labels      map[string]string
	Command     []string
	Environment []string
	ExtraHosts  []string
	Mounts      []Mount
	// Port is as in 5000/tcp. HostIP is the host's address for the port, and HostPort the port's
	// number there, empty for any.
	Port, HostIP, HostPort string
}

// Spec is the container's spec.
func (c Published) Spec() Spec {
	return Spec{
		Name: c.Name,
		config: &container.Config{
			Image: imageID(c.Image, c.Of), Cmd: c.Command, Env: c.Environment, Labels: label.Called(c.Labels, c.Image),
			ExposedPorts: nat.PortSet{nat.Port(c.Port): {}},
		},
		host: &container.HostConfig{
			NetworkMode:  network.NetworkBridge,
			PortBindings: nat.PortMap{nat.Port(c.Port): {{HostIP: c.HostIP, HostPort: c.HostPort}}},
			ExtraHosts:   c.ExtraHosts,
			CapDrop:      []string{"ALL"},
			SecurityOpt:  []string{"no-new-privileges"},
			LogConfig:    logs("10m", "2"),
		},
	}.With(c.Mounts...)
}

// Blocked is the spec of a container that takes a name and is never started.
func Blocked(name, image string, labels map[string]string) Spec {
	return Spec{
		Name:   name,
		config: &container.Config{Image: image, Entrypoint: []string{"true"}, Labels: labels},
		host:   &container.HostConfig{NetworkMode: "none"},
	}
}

// Successor is the spec of a container that replaces another in a sandbox, with the same address
// if the other had asked for one. change returns, for each volume of the other, the name and the
// labels of a volume to take its place, or "" to keep the volume.
func (d Details) Successor(name, sandbox string, labels map[string]string, change func(volume string) (other string, labels map[string]string)) (Spec, error) {
	if d.raw.HostConfig == nil {
		return Spec{}, ErrNonsense
	}
	config, host := *d.raw.Config, *d.raw.HostConfig
	config.Volumes = nil // the mounts cover them
	config.Labels = labels
	joins := host.NetworkMode.IsContainer()
	if joins {
		config.Hostname, config.Domainname = "", "" // the joined container has these names
	}
	host.Mounts = slices.Clone(host.Mounts)
	for i, m := range host.Mounts {
		if other, l := change(m.Source); other != "" {
			host.Mounts[i] = Mount{Volume: other, Target: m.Target, Labels: l}.api()
		}
	}
	if joins {
		return Spec{Name: name, config: &config, host: &host}, nil
	}
	endpoint := &network.EndpointSettings{}
	if s := d.raw.NetworkSettings; s != nil {
		if old := s.Networks[label.NetworkName(sandbox)]; old != nil && old.IPAMConfig != nil {
			// The container's certificate holds these addresses.
			endpoint.IPAMConfig = &network.EndpointIPAMConfig{IPv4Address: old.IPAMConfig.IPv4Address, IPv6Address: old.IPAMConfig.IPv6Address}
		}
	}
	for _, alias := range d.Endpoints[label.NetworkName(sandbox)].Aliases {
		if !strings.HasPrefix(d.ID, alias) { // the engine adds the short id itself
			endpoint.Aliases = append(endpoint.Aliases, alias)
		}
	}
	return Spec{
		Name: name, config: &config, host: &host,
		network: &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{label.NetworkName(sandbox): endpoint}},
	}, nil
}
