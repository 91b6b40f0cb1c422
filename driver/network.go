package driver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/owner"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

// subnetTries is how many subnets are offered to the engine: others may take a subnet
// between our look and our request.
const subnetTries = 64

// createNetwork makes the anchor of a sandbox, with the first subnet of the plan's pool
// that the engine accepts, and returns the IPv4 subnet. more are additional labels.
//
// The network's owner is the preparing hook: until the job container exists, with the
// Runner as owner, the sandbox lives no longer than that hook. So a network from a killed
// hook's late request belongs to nobody, even if cleanup has already looked.
//
// A network with IPv6 is an error unless the engine keeps it apart from others. Where no
// subnet is free, createNetwork finishes ended jobs, or else removes bare sandboxes, and
// tries again.
func (d *Driver) createNetwork(ctx context.Context, p *plan.Plan, more map[string]string) (netip.Prefix, error) {
	subnet, err := d.networkIn(ctx, p, p.Network, more)
	if !errors.Is(err, errNoSubnet) {
		return subnet, err
	}
	if n, endErr := d.FinishEnded(ctx); (n == 0 || endErr != nil) && d.giveSubnets(ctx) == 0 {
		return subnet, err
	}
	facts, factsErr := d.Facts(ctx)
	if factsErr != nil {
		return subnet, err
	}
	network := p.Network
	network.Avoid = facts.Used
	return d.networkIn(ctx, p, network, more)
}

// errNoSubnet says that others use all subnets that were tried.
var errNoSubnet = errors.New("no free subnet for a sandbox")

// networkIn is createNetwork without the second try, and with the subnets of n.
func (d *Driver) networkIn(ctx context.Context, p *plan.Plan, n plan.Network, more map[string]string) (netip.Prefix, error) {
	l := label.ForSandbox(p, plan.RoleNetwork)
	maps.Copy(l, more)
	hook, err := owner.This()
	if err != nil {
		return netip.Prefix{}, err
	}
	l[label.Owner] = hook.String()
	with6 := n.Pool6.IsValid()
	var info engine.Info
	if with6 {
		if info, err = d.eng.Info(ctx); err != nil {
			return netip.Prefix{}, d.eng.Explain("asking the engine", err)
		}
		if err := d.mayApart6(info); err != nil {
			return netip.Prefix{}, err
		}
	}
	subnets := n.Subnets(p.Sandbox, subnetTries)
	for _, subnet := range subnets {
		var subnet6 netip.Prefix
		if with6 {
			subnet6 = n.Subnet6(subnet)
		}
		made, err := d.eng.CreateNetwork(ctx, label.NetworkName(p.Sandbox), l, n.MTU, subnet, subnet6)
		switch {
		case err == nil && with6:
			return subnet, d.isApart6(ctx, info, made)
		case err == nil:
			return subnet, nil
		}
		if !engine.Refused(err, engine.SubnetTaken) {
			return netip.Prefix{}, d.eng.Explain("making the sandbox's network", err)
		}
	}
	return netip.Prefix{}, fault.System(fmt.Errorf("%w in %s: %d tried", errNoSubnet, n.Pool, len(subnets)),
		"widen network.pool in the settings, or look for leftovers: gitlab-dind-executor gc")
}
