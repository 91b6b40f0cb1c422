package driver

import (
	"context"
	"fmt"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
)

const (
	// relayMemory and relayThreads bound what questions for names can make a relay
	// use, in bytes and in threads.
	relayMemory  = 128 << 20
	relayThreads = 128
)

// relay makes and starts the container that asks Docker's own resolver for the
// sidecar, if that cannot. The container holds this program alone.
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
	id, err := d.eng.Create(ctx, engine.Relay{
		Name: label.ObjectName(sandbox, plan.RoleRelay), Image: img, Labels: label.ForSandbox(prep.p, plan.RoleRelay),
		Command: []string{plan.ProgramPath, plan.RelayCommand, plan.RelayListens, plan.DockerResolver},
		Network: label.NetworkName(sandbox), Address: plan.RelayAddress(prep.subnet),
		Memory: relayMemory, Threads: relayThreads,
	}.Spec())
	if err != nil {
		return err
	}
	return d.eng.Explain("starting the relay container", d.eng.Start(ctx, id))
}
