package engine

import (
	"context"
	"net/netip"
	"strconv"

	"github.com/docker/docker/api/types/network"
)

// Bridge is the engine's default network.
const Bridge = network.NetworkBridge

// Options of the bridge driver for an MTU and for a bridge's interface.
const (
	mtuOption    = "com.docker.network.driver.mtu"
	bridgeOption = "com.docker.network.bridge.name"
)

// Network is the engine's description of a network.
type Network struct {
	ID, Name string
	Labels   map[string]string
	Subnets  []Subnet
	// MTU is 0 if the engine does not tell.
	MTU int
	// Bridge is the interface of the default bridge on the engine's host; empty for other
	// networks.
	Bridge string
}

// Subnet is a subnet of a network, in the engine's words.
type Subnet struct{ Subnet, Gateway string }

func networkOf(n network.Inspect) Network {
	one := Network{ID: n.ID, Name: n.Name, Labels: n.Labels, Bridge: n.Options[bridgeOption]}
	for _, c := range n.IPAM.Config {
		one.Subnets = append(one.Subnets, Subnet{c.Subnet, c.Gateway})
	}
	one.MTU, _ = strconv.Atoi(n.Options[mtuOption])
	return one
}

// Networks lists the networks with all of the labels, each a key or key=value.
func (e *Engine) Networks(ctx context.Context, labels ...string) ([]Network, error) {
	list, err := e.api.NetworkList(ctx, network.ListOptions{Filters: e.labelled(labels)})
	found := make([]Network, 0, len(list))
	for _, n := range list {
		found = append(found, networkOf(n))
	}
	return found, err
}

// Network describes a network.
func (e *Engine) Network(ctx context.Context, name string) (Network, error) {
	n, err := e.api.NetworkInspect(ctx, name, network.InspectOptions{})
	return networkOf(n), err
}

// CreateNetwork creates a bridge network with one subnet, and a second subnet for IPv6 if subnet6
// is valid. The answer is the network's id.
func (e *Engine) CreateNetwork(ctx context.Context, name string, labels map[string]string, mtu int, subnet, subnet6 netip.Prefix) (id string, err error) {
	opts := network.CreateOptions{
		Driver:  "bridge",
		IPAM:    &network.IPAM{Config: []network.IPAMConfig{{Subnet: subnet.String()}}},
		Options: map[string]string{mtuOption: strconv.Itoa(mtu)},
		Labels:  e.named(labels),
	}
	if subnet6.IsValid() {
		yes := true
		opts.EnableIPv6 = &yes
		opts.IPAM.Config = append(opts.IPAM.Config, network.IPAMConfig{Subnet: subnet6.String()})
	}
	made, err := e.api.NetworkCreate(ctx, name, opts)
	return made.ID, err
}

// RemoveNetwork removes a network without containers.
func (e *Engine) RemoveNetwork(ctx context.Context, id string) error {
	return e.api.NetworkRemove(ctx, id)
}
