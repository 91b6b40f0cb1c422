package driver

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/system"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/owner"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

// subnetTries bounds how many subnets are offered to the engine: others may
// take one between our look and our request.
const subnetTries = 64

// createNetwork makes the anchor of a sandbox, with the first subnet of the
// plan's pool that the engine takes. more are labels besides the usual. Its owner is
// the hook that prepares: until the job container is there, with the Runner as owner,
// the sandbox lives no longer than that hook. So a network that a killed hook's
// request makes after cleanup has looked is nobody's. One with IPv6 must be kept
// apart from others, else it is an error.
func (d *Driver) createNetwork(ctx context.Context, p *plan.Plan, more map[string]string) error {
	l := label.ForSandbox(p, plan.RoleNetwork)
	maps.Copy(l, more)
	hook, err := owner.This()
	if err != nil {
		return err
	}
	l[label.Owner] = hook.String()
	with6 := p.Network.Pool6.IsValid()
	var info system.Info
	if with6 {
		if info, err = d.api.Info(ctx); err != nil {
			return d.explain("asking the engine", err)
		}
		if err := d.mayApart6(info); err != nil {
			return err
		}
	}
	subnets := p.Network.Subnets(p.Sandbox, subnetTries)
	for _, subnet := range subnets {
		opts := network.CreateOptions{
			Driver:  "bridge",
			IPAM:    &network.IPAM{Config: []network.IPAMConfig{{Subnet: subnet.String()}}},
			Options: map[string]string{mtuOption: strconv.Itoa(p.Network.MTU)},
			Labels:  l,
		}
		if with6 {
			yes := true
			opts.EnableIPv6 = &yes
			opts.IPAM.Config = append(opts.IPAM.Config, network.IPAMConfig{Subnet: p.Network.Subnet6(subnet).String()})
		}
		made, err := d.api.NetworkCreate(ctx, label.NetworkName(p.Sandbox), opts)
		switch {
		case err == nil && with6:
			return d.isApart6(ctx, info, made.ID)
		case err == nil:
			return nil
		}
		if !overlaps(err) {
			return d.explain("making the sandbox's network", err)
		}
	}
	return fault.System(fmt.Errorf("no free subnet for a sandbox in %s: %d tried", p.Network.Pool, len(subnets)),
		"widen network.pool in the settings, or look for leftovers: gitlab-dind-executor gc")
}

// overlaps tells the engine's refusal of a subnet from other faults. It shares
// its type, a 403, with authorization plugins, so only its words are left.
func overlaps(err error) bool { return strings.Contains(err.Error(), "overlap") }
