package driver

import (
	"context"

	"github.com/docker/docker/api/types/image"

	"gitlab-dind-executor/driver/plan"
)

// fit makes the sidecar fit its image.
func (prep *preparation) fit(ctx context.Context, img image.InspectResponse) error {
	dind := plan.DindImage{ID: img.ID}
	if c := img.Config; c != nil {
		dind = plan.DindImage{ID: img.ID, Docker: plan.ImageVersion(c.Env), Entrypoint: c.Entrypoint, Command: c.Cmd, User: c.User, Volumes: imageVolumes(img)}
	}
	var host plan.EngineHost
	if prep.p.Sidecar.AsksHost(dind) {
		var err error
		if host, err = prep.d.engineHost(ctx); err != nil {
			return err
		}
	}
	sidecar, warnings, err := prep.p.Sidecar.Fit(dind, host)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		prep.say("warning: " + w)
	}
	prep.sidecar = sidecar
	return nil
}

// engineHost asks the engine about its host.
func (d *Driver) engineHost(ctx context.Context) (plan.EngineHost, error) {
	info, err := d.api.Info(ctx)
	if err != nil {
		return plan.EngineHost{}, d.explain("asking the engine", err)
	}
	// Drivers that need a filesystem of their own do not tell it.
	host := plan.EngineHost{CgroupVersion: info.CgroupVersion, Filesystem: info.Driver}
	for _, status := range info.DriverStatus {
		if status[0] == "Backing Filesystem" {
			host.Filesystem = status[1]
		}
	}
	return host, nil
}
