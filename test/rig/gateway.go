package rig

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
)

// Gateway returns the IPv4 address of the host on the engine's default bridge, usually
// 172.17.0.1. Containers of every bridge reach the host under this address. The error tells an
// engine that cannot be asked from an engine without the bridge.
func Gateway(ctx context.Context, cli *client.Client) (netip.Addr, error) {
	bridge, err := cli.NetworkInspect(ctx, network.NetworkBridge, network.InspectOptions{})
	if err != nil {
		return netip.Addr{}, fmt.Errorf("cannot inspect the engine's default bridge: %w\nhint: is the engine running, and without \"bridge\": \"none\"?", err)
	}
	return gatewayOf(bridge.IPAM.Config)
}

// gatewayOf picks the IPv4 gateway. Engines leave the field empty until the bridge is used for
// the first time. They then take the subnet's first address, and so does gatewayOf.
func gatewayOf(configs []network.IPAMConfig) (netip.Addr, error) {
	for _, config := range configs {
		if addr, err := netip.ParseAddr(config.Gateway); err == nil && addr.Is4() {
			return addr, nil
		}
	}
	for _, config := range configs {
		if subnet, err := netip.ParsePrefix(config.Subnet); err == nil && subnet.Addr().Is4() {
			return subnet.Masked().Addr().Next(), nil
		}
	}
	return netip.Addr{}, errors.New("the engine's default bridge has no IPv4 gateway\nhint: set \"bip\" in the engine's daemon.json")
}
