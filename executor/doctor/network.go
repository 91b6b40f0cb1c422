package doctor

import (
	"net/netip"
	"slices"
	"strings"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/plan"
)

// fewSubnets is the number of free subnets below which a pool counts as nearly used up.
const fewSubnets = 16

// Pools judges the address pools beside the existing networks and routes: first
// network.pool, then network.inner_pools.
func Pools(n config.Network, used []netip.Prefix) []Finding {
	return []Finding{pool(n, used), innerPools(n, used)}
}

func pool(n config.Network, used []netip.Prefix) Finding {
	const check = "network.pool"
	total := 1 << (n.SubnetBits - n.Pool.Bits())
	free := len(plan.Network{Pool: n.Pool, SubnetBits: n.SubnetBits, Avoid: used}.Subnets("", total))
	// A range larger than a sandbox's subnet is no sandbox's.
	foreign := overlapping(n.Pool, used, func(u netip.Prefix) bool { return u.Bits() < n.SubnetBits })
	switch {
	case free == 0 && foreign != "":
		return Bad(check, "name another range in network.pool", "%s has no free subnet: this host's networks and routes use %s", n.Pool, foreign)
	case free == 0:
		return Bad(check, "widen network.pool in the settings, or look for leftovers: gitlab-dind-executor gc", "%s has no free subnet: all %d are in use", n.Pool, total)
	case free < fewSubnets && free < total:
		return Doubt(check, "widen network.pool in the settings, or look for leftovers: gitlab-dind-executor gc", "%d of %d subnets of %s are free", free, total, n.Pool)
	case foreign != "":
		return Doubt(check, "sandboxes leave it out; name a range in network.pool that nothing else uses", "%s overlaps %s of this host's networks and routes; %d of %d subnets are free", n.Pool, foreign, free, total)
	}
	return Fine(check, "%d of %d subnets of %s are free", free, total, n.Pool)
}

func innerPools(n config.Network, used []netip.Prefix) Finding {
	const check = "network.inner_pools"
	for _, p := range n.InnerPools {
		if overlapping(p, used, nil) == "" {
			return Fine(check, "%s is free", p)
		}
	}
	var taken []string
	for _, p := range n.InnerPools {
		taken = append(taken, p.String()+" by "+overlapping(p, used, nil))
	}
	return Bad(check, "add a range to network.inner_pools that nothing on this host uses", "none is free: %s", strings.Join(taken, "; "))
}

// overlapping names the ranges of used that overlap p; "" for none. With large, only large
// ranges count.
func overlapping(p netip.Prefix, used []netip.Prefix, large func(netip.Prefix) bool) string {
	var names []string
	for _, u := range used {
		if p.Overlaps(u) && (large == nil || large(u)) {
			names = append(names, u.String())
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) > 3 {
		names = append(names[:3], "others")
	}
	return strings.Join(names, ", ")
}
