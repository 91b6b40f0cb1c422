package driver

import (
	"context"
	"errors"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/host"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

// rulesAPI is the API version of Docker 27. From this version on, engines set IPv6 firewall
// rules by default.
const rulesAPI = "1.46"

// errOpen6 says that the ports of a sandbox would be open to all other sandboxes.
var errOpen6 = errors.New("the docker engine does not keep sandboxes apart over IPv6")

const open6Hint = `let it: "ip6tables": true and, before Docker 27, "experimental": true in the engine's daemon.json; or take network.ipv6 out of the settings`

// apart6 returns nil if an engine keeps networks apart over IPv6, else an error with the
// reason. Before Docker 27 the engine does so only as an experiment, and its rules must be
// seen. Since Docker 27 it does so unless daemon.json says otherwise.
func apart6(api string, experimental bool, rules host.Rules) error {
	old := engine.Older(api, rulesAPI)
	switch {
	case old && !experimental, rules == host.RulesMissing:
		return fault.System(errOpen6, open6Hint)
	case old && rules == host.RulesUnseen:
		return fault.System(errors.New("whether the docker engine keeps sandboxes apart over IPv6 cannot be seen from here"),
			"use Docker 27 or newer, or run the Runner as root on the engine's host; or take network.ipv6 out of the settings")
	}
	return nil
}

// mayApart6 is apart6 before a network exists: it assumes the rules.
func (d *Driver) mayApart6(info engine.Info) error {
	return apart6(d.eng.API(), info.Experimental, host.RulesThere)
}

// isApart6 is apart6 for an existing network, by its id.
func (d *Driver) isApart6(ctx context.Context, info engine.Info, id string) error {
	rules := host.RulesUnseen
	// An engine with its own nftables has no ip6tables rules.
	if !info.Nftables {
		rules = d.rulesOf(ctx, id)
	}
	return apart6(d.eng.API(), info.Experimental, rules)
}

// rulesOf looks for the firewall rules of a network's bridge.
func (d *Driver) rulesOf(ctx context.Context, id string) host.Rules {
	if !d.eng.Local() || len(id) < 12 {
		return host.RulesUnseen
	}
	return host.RulesOf(ctx, "br-"+id[:12])
}

// TryIPv6 makes the network of a sandbox for no job, and removes it. The error is the
// reason why jobs would be refused, for example a missing firewall.
func (d *Driver) TryIPv6(ctx context.Context, p *plan.Plan) (err error) {
	if err := d.eng.Greet(ctx); err != nil {
		return err
	}
	p = p.In(label.NewSandboxID())
	defer func() {
		ctx, cancel := d.bounds.Clearing(ctx)
		defer cancel()
		err = errors.Join(err, d.removal.Sandbox(ctx, p.Sandbox))
	}()
	_, err = d.createNetwork(ctx, p, nil)
	return err
}
