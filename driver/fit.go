package driver

import (
	"context"
	"slices"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/plan"
)

// fit makes the sidecar fit its image.
func (prep *preparation) fit(ctx context.Context, img engine.Image) error {
	dind := plan.DindImage{ID: img.ID}
	if img.Configured {
		dind = plan.DindImage{ID: img.ID, Docker: plan.ImageVersion(img.Environment), Entrypoint: img.Entrypoint, Command: img.Command, User: img.User, Volumes: img.Volumes}
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
	prep.sidecar = sidecar.At(prep.subnet, prep.p.Network)
	if prep.bare != nil {
		prep.sidecar.Joins = prep.bare.seat
	}
	if sidecar.Relay {
		prep.sidecar.Environment = append(slices.Clone(sidecar.Environment), plan.RelayVariable+"="+plan.RelayAddress(prep.subnet).String())
	}
	return nil
}

// engineHost asks the engine about its host.
func (d *Driver) engineHost(ctx context.Context) (plan.EngineHost, error) {
	info, err := d.eng.Info(ctx)
	if err != nil {
		return plan.EngineHost{}, d.eng.Explain("asking the engine", err)
	}
	return plan.EngineHost{CgroupVersion: info.CgroupVersion, Filesystem: info.Filesystem}, nil
}
