package plan

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/fault"
)

// inner holds the address ranges of the inner daemon's own networks.
type inner struct {
	// bip is the address and prefix of the default bridge.
	bip netip.Prefix
	// pool is divided into networks of size bits, for networks that a job creates.
	pool netip.Prefix
	size int
}

// innerRanges takes the first candidate without overlap with the host's networks and
// routes, because an overlap would hide the host from the job. The first quarter of the
// range, at most a /20, is for the default bridge. The second half is for networks made by
// the job.
func innerRanges(n config.Network, used []netip.Prefix) (inner, error) {
	for _, candidate := range n.InnerPools {
		if overlapsAny(candidate, used) {
			continue
		}
		bits := max(candidate.Bits()+2, 20)
		second := Subnet(candidate, candidate.Bits()+1, 1)
		return inner{
			bip:  netip.PrefixFrom(candidate.Addr().Next(), bits),
			pool: second,
			size: max(second.Bits(), 24),
		}, nil
	}
	return inner{}, fault.System(
		fmt.Errorf("every range of network.inner_pools overlaps a network or a route of this host"),
		"add a range to network.inner_pools that nothing on this host uses")
}

func overlapsAny(p netip.Prefix, used []netip.Prefix) bool {
	return slices.ContainsFunc(used, p.Overlaps)
}

// Subnet returns the subnet number i, from 0, with a prefix length, in an IPv4 pool.
func Subnet(pool netip.Prefix, bits, i int) netip.Prefix {
	base := pool.Masked().Addr().As4()
	n := binary.BigEndian.Uint32(base[:]) + uint32(i)<<(32-bits)
	var addr [4]byte
	binary.BigEndian.PutUint32(addr[:], n)
	return netip.PrefixFrom(netip.AddrFrom4(addr), bits)
}

// pool6 returns the range of IPv6 subnets, or the zero value without IPv6.
func pool6(n config.Network) netip.Prefix {
	if !n.IPv6 {
		return netip.Prefix{}
	}
	return n.Pool6
}

// subnet6 returns the /64 number i, from 0, of an IPv6 pool of at most 64 bits.
func subnet6(pool netip.Prefix, i uint64) netip.Prefix {
	addr := pool.Masked().Addr().As16()
	binary.BigEndian.PutUint64(addr[:8], binary.BigEndian.Uint64(addr[:8])+i)
	return netip.PrefixFrom(netip.AddrFrom16(addr), 64)
}

// inner6 returns the subnet of the inner daemon's default bridge: the first /64 of the
// pool's second half. It is invisible outside of a sandbox.
func inner6(pool netip.Prefix) netip.Prefix { return subnet6(pool, 1<<(63-pool.Bits())) }

// Subnet6 returns the IPv6 subnet for an IPv4 subnet of the pool. It is in the first half
// of Pool6.
func (n Network) Subnet6(subnet netip.Prefix) netip.Prefix {
	first, this := n.Pool.Masked().Addr().As4(), subnet.Addr().As4()
	i := (binary.BigEndian.Uint32(this[:]) - binary.BigEndian.Uint32(first[:])) >> (32 - subnet.Bits())
	return subnet6(n.Pool6, uint64(i))
}

// Subnets returns up to most free subnets of the network's pool. The list begins at a place
// that depends on the sandbox, so that neighbours seldom collide.
func (n Network) Subnets(sandbox string, most int) []netip.Prefix {
	count := 1 << (n.SubnetBits - n.Pool.Bits())
	start := 0
	for _, c := range sandbox {
		start = (start*31 + int(c)) % count
	}
	var free []netip.Prefix
	for i := range count {
		s := Subnet(n.Pool, n.SubnetBits, (start+i)%count)
		if !overlapsAny(s, n.Avoid) {
			free = append(free, s)
			if len(free) == most {
				break
			}
		}
	}
	return free
}
