package driver

import (
	"context"
	"fmt"

	"github.com/containerd/errdefs"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

// createFault turns the engine's refusal of a container into a fault with a hint. Mistakes
// of the pipeline become job faults, mistakes of the settings and of the host system faults.
// An error that is no such refusal is returned as it is.
func createFault(c plan.Container, err error) error {
	if err == nil {
		return nil
	}
	if refused := refusedRights(c, err); refused != nil {
		return refused
	}
	if engine.Refused(err, engine.FewerCPUs) {
		return fault.System(err, "lower "+plan.LimitKey(c.Role)+".cpus in the settings")
	}
	if c.Rights.Runtime != "" && engine.Refused(err, engine.NoRuntime) {
		return fault.System(fmt.Errorf("the engine has no runtime %q: %w", c.Rights.Runtime, err),
			"install it and name it under \"runtimes\" in the engine's daemon.json (that of gVisor: docs/gvisor.md), or change "+plan.SettingsOf(c.Role)+".runtime")
	}
	if engine.Refused(err, engine.NoRuntime) { // no pipeline chooses a runtime
		return fault.System(err, `look at "default-runtime" and "runtimes" in the engine's daemon.json`)
	}
	if len(c.Extras.Binds) > 0 && engine.Refused(err, engine.NoSource) {
		return fault.System(err, "make it on the engine's host, or mend "+plan.SettingsOf(c.Role)+".volumes in the settings")
	}
	if engine.Refused(err, engine.NoSetting) {
		return fault.System(err, "look at "+plan.LimitKey(c.Role)+" in the settings: cpuset_cpus, cpuset_mems and cgroup_parent must be there on this host")
	}
	if !errdefs.IsInvalidArgument(err) || engine.Refused(err, engine.BadCapability) {
		return err
	}
	err = fmt.Errorf("image %s: %w", c.Image.Name, err)
	admins := c.Role == plan.RoleHelper || c.Role == plan.RoleSidecar && c.Entrypoint == nil && c.Command == nil
	if admins {
		return fault.System(err, "check "+string(c.Role)+".image and the settings beside it")
	}
	if !c.Ordinary() {
		return fault.System(err, "check what "+plan.SettingsOf(c.Role)+" of the settings gives to the container; if that is right, entrypoint, command and user in the pipeline")
	}
	return fault.Job(err, "check entrypoint, command and user in the pipeline")
}

// start returns a function that starts a container of the plan.
func (d *Driver) start(c plan.Container) func(context.Context, string) error {
	return func(ctx context.Context, id string) error {
		err := d.eng.Explain("starting the "+string(c.Role)+" container",
			d.eng.Start(ctx, id))
		if err != nil && c.Role == plan.RoleSidecar && engine.Refused(err, engine.NoDevice) {
			return fault.System(err, "this host lacks a device that the sidecar needs: load the kernel modules tun and fuse")
		}
		if err != nil {
			if refused := refusedRights(c, err); refused != nil {
				return refused
			}
		}
		return engine.StartFault(c.Image.Name, err)
	}
}

// inFile changes the spec of a sidecar whose runtime keeps the data root in a file of its
// volume. The runtime finds the mount by its place on the engine's host.
func (d *Driver) inFile(ctx context.Context, p *plan.Plan, c plan.Container, spec engine.Spec) (engine.Spec, error) {
	v, err := d.eng.CreateVolume(ctx, label.ObjectName(p.Sandbox, plan.RoleData), label.ForSandbox(p, plan.RoleData))
	if err != nil {
		return spec, d.eng.Explain("making the volume of the data root", err)
	}
	spec, err = d.eng.InFile(spec, v.Mountpoint, c.DataSize)
	if err != nil {
		return spec, fault.System(fmt.Errorf("gvisor.storage is %q: %w", config.StorageFile, err),
			fmt.Sprintf("set it to %q, or update the docker engine of this host", config.StorageMemory))
	}
	return spec, nil
}
