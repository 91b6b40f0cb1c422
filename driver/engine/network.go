package engine

import (
	"context"
	"net/netip"
	"strconv"

	"github.com/docker/docker/api/types/network"
)

// Bridge is the engine's default network.
const Bridge = network.NetworkBridge

// The bridge driver's names for an MTU and for a bridge's interface.
const (
	mtuOption    = "com.docker.network.driver.mtu"
	bridgeOption = "com.docker.network.bridge.name"
)

// Network is a network as the engine describes it.
type Network struct {
	ID, Name string
	Labels   map[string]string
	Subnets  []Subnet
	// MTU is 0 where the engine does not tell.
	MTU int
	// Bridge is the interface of the default bridge on the engine's host; empty for
	// others.
	Bridge string
}

// Subnet is one of a network's, in the engine's words.
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

// Network looks at a network.
func (e *Engine) Network(ctx context.Context, name string) (Network, error) {
	n, err := e.api.NetworkInspect(ctx, name, network.InspectOptions{})
	return networkOf(n), err
}

// CreateNetwork creates a bridge network with one subnet, and a second one for IPv6
// where that is valid. It returns the network's id.
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

// RemoveNetwork removes a network that no container is in.
func (e *Engine) RemoveNetwork(ctx context.Context, id string) error {
	return e.api.NetworkRemove(ctx, id)
}
