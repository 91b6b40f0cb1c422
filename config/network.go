package config

import (
	"net/netip"
	"strings"
)

// Network is about the networks of sandboxes and of their inner daemons.
type Network struct {
	// Pool is cut into one subnet per sandbox.
	Pool netip.Prefix `toml:"pool"`
	// SubnetBits is the prefix length of a sandbox's subnet.
	SubnetBits int `toml:"subnet_bits"`
	// InnerPools are candidates for the inner daemon's own networks. The first candidate
	// without overlap with a network or a route of the host is taken.
	InnerPools []netip.Prefix `toml:"inner_pools"`
	// MTU of sandboxes and inner daemons; 0 means the host's.
	MTU int `toml:"mtu"`
	// DNS servers of all containers and of inner daemons; none means the host's.
	DNS []netip.Addr `toml:"dns"`
	// DNSSearch are the domains in which all containers look for a short name.
	DNSSearch []string `toml:"dns_search"`
	// ExtraHosts are "name:address" entries for every container of a sandbox; the
	// address may be HostGateway.
	ExtraHosts []string `toml:"extra_hosts"`
	// IPv6 gives sandboxes and inner daemons IPv6 addresses out of Pool6.
	IPv6  bool         `toml:"ipv6"`
	Pool6 netip.Prefix `toml:"pool6"`
}

// HostGateway stands for the address of the engine's host, as in docker run --add-host.
const HostGateway = "host-gateway"

func validateNetwork(n Network, f *faults) {
	usable := func(key string, p netip.Prefix) bool {
		switch {
		case !p.IsValid() || !p.Addr().Is4():
			f.add(key, "must be an IPv4 address range")
		case p.Masked() != p:
			f.add(key, "has bits set behind the prefix: %s; meant is %s", p, p.Masked())
		default:
			return true
		}
		return false
	}
	poolOK := usable("network.pool", n.Pool)
	if poolOK && (n.SubnetBits < n.Pool.Bits() || n.SubnetBits > 29) {
		f.add("network.subnet_bits", "must be from %d (the pool's own) to 29", n.Pool.Bits())
	}
	if len(n.InnerPools) == 0 {
		f.add("network.inner_pools", "must name at least one address range")
	}
	for _, p := range n.InnerPools {
		if !usable("network.inner_pools", p) {
			continue
		}
		if p.Bits() > 22 {
			f.add("network.inner_pools", "must have a prefix of at most 22 bits: %s", p)
		}
		if poolOK && p.Overlaps(n.Pool) {
			f.add("network.inner_pools", "overlaps network.pool: %s", p)
		}
	}
	switch p := n.Pool6; {
	case !p.IsValid() || !p.Addr().Is6():
		f.add("network.pool6", "must be an IPv6 address range")
	case p.Masked() != p:
		f.add("network.pool6", "has bits set behind the prefix: %s; meant is %s", p, p.Masked())
	case poolOK && p.Bits() > 63-(n.SubnetBits-n.Pool.Bits()):
		// Sandboxes use half of pool6, a /64 for each subnet of the pool.
		f.add("network.pool6", "must have a prefix of at most %d bits, or the pool has more subnets", 63-(n.SubnetBits-n.Pool.Bits()))
	}
	if n.MTU != 0 && (n.MTU < 576 || n.MTU > 65535) {
		f.add("network.mtu", "must be 0 or from 576 to 65535")
	}
	for _, d := range n.DNSSearch {
		if d != "." && (!hostName.MatchString(d) || len(d) > 253) {
			f.add("network.dns_search", `must be domains, like "example.com": %q`, d)
		}
	}
	for _, h := range n.ExtraHosts {
		name, addr, ok := strings.Cut(h, ":")
		if _, err := netip.ParseAddr(addr); !ok || name == "" || !plainText(name) || strings.ContainsAny(name, " \t") || err != nil && addr != HostGateway {
			f.add("network.extra_hosts", `must be "name:address": %q`, h)
		}
	}
}
