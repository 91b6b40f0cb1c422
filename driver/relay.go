package driver

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"gitlab-dind-executor/driver/bounds"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
)

const (
	// relayMemory and relayThreads limit a relay, in bytes and in threads: a job decides
	// how many questions for names the relay gets.
	relayMemory  = 128 << 20
	relayThreads = 128
)

// relay makes and starts the container that asks Docker's resolver on behalf of a sidecar
// without access to it. The container holds this program alone.
func (prep *preparation) relay(ctx context.Context) error {
	if !prep.p.Sidecar.Relay {
		return nil
	}
	d, sandbox := prep.d, prep.p.Sandbox
	img, err := d.removal.ProgramImage(ctx)
	if err != nil {
		return err
	}
	select {
	case <-prep.anchored:
	case <-ctx.Done():
		return fmt.Errorf("waiting for the sandbox's network: %w", ctx.Err())
	}
	relay := relayOf(sandbox, label.ObjectName(sandbox, plan.RoleRelay), img, label.ForSandbox(prep.p, plan.RoleRelay), plan.RelayAddress(prep.subnet))
	relay.DNS, relay.DNSSearch = prep.p.Sidecar.DNS, prep.p.Sidecar.DNSSearch
	id, err := d.eng.Create(ctx, relay.Spec())
	if err != nil {
		return err
	}
	return d.eng.Explain("starting the relay container", d.eng.Start(ctx, id))
}

func relayOf(sandbox, name, img string, labels map[string]string, address netip.Addr) engine.Relay {
	return engine.Relay{
		Name: name, Image: img, Labels: labels,
		Command: []string{plan.ProgramPath, plan.RelayCommand, plan.RelayListens, plan.DockerResolver},
		Network: label.NetworkName(sandbox), Address: address,
		Memory: relayMemory, Threads: relayThreads,
	}
}

// substituteBound is the longest wait until the engine gives the address of an ended
// sidecar to another container.
const substituteBound = 10 * time.Second

// substitute takes the address of an ended sidecar that had a kernel of its own, and
// refuses all connections. Without a substitute, nothing tells the sidecar's clients that
// their connections are over, and a script waits for minutes. Errors are ignored: the
// script then waits.
func (d *Driver) substitute(ctx context.Context, sandbox string) {
	ctx, cancel := context.WithTimeout(ctx, substituteBound)
	defer cancel()
	n, err := d.eng.Network(ctx, label.NetworkName(sandbox))
	if err != nil {
		return
	}
	var address netip.Addr
	for _, s := range n.Subnets {
		if p, err := netip.ParsePrefix(s.Subnet); err == nil && p.Addr().Is4() {
			address = plan.SidecarAddress(p)
		}
	}
	img, err := d.removal.ProgramImage(ctx)
	if err != nil || !address.IsValid() {
		return
	}
	id, err := d.eng.Create(ctx, relayOf(sandbox, label.SubstituteName(sandbox), img, label.InSandbox(sandbox, plan.RoleRelay), address).Spec())
	if err != nil {
		return
	}
	for d.eng.Start(ctx, id) != nil && bounds.Pause(ctx, 100*time.Millisecond) {
		// The engine reports an end before it frees the address.
	}
}
