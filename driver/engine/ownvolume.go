package engine

import (
	"context"
	"errors"
	"fmt"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/fault"
)

// ErrForeign says that the volume under a name of ours is somebody else's. Nobody
// may use it: what it holds is not what its name says.
var ErrForeign = errors.New("somebody else's volume has its name")

// decisive are the labels that say what a volume is and whose. The others may
// differ between two versions, or after a project was renamed.
var decisive = []string{label.Role, label.Scope, label.Sandbox, label.Job, label.Spec, label.Seed, label.Of, label.Remote, label.Path}

// OwnVolume creates a volume of a name that later jobs find again, or finds the
// one that is there. A volume that is not ours is ErrForeign, with the hint for
// an admin. The engine itself takes any volume of that name, whatever its labels
// and wherever its data are. So nothing mounts such a name before this.
func (e *Engine) OwnVolume(ctx context.Context, name string, labels map[string]string) error {
	if ctx.Err() != nil {
		return fmt.Errorf("creating volume %s: %w", name, ctx.Err())
	}
	ctx, cancel := e.Uncut(ctx)
	defer cancel()
	v, err := e.CreateVolume(ctx, name, labels)
	if err != nil {
		return e.Explain("creating volume "+name, err)
	}
	if why := Foreign(v, labels); why != "" {
		return fault.System(fmt.Errorf("volume %s: %w: %s", name, ErrForeign, why),
			"docker volume inspect "+name+" on this host shows it; once it is removed, jobs have their own again")
	}
	return nil
}

// Foreign says why a volume is not the one with these labels; "" if it is.
func Foreign(v Volume, labels map[string]string) string {
	// An option lets a volume be any directory or device of the host.
	if v.Driver != "local" || len(v.Options) > 0 {
		return "its driver or its options are not ours"
	}
	for _, key := range decisive {
		if v.Labels[key] != labels[key] {
			return "its label " + key + " is another" // which one is no matter of a job's
		}
	}
	return ""
}

// Lost reads the name of a volume that has lost its labels. A volume with any label
// is none, whosever label that is, nor is one of another driver or with options: we
// make no such volumes.
func Lost(v *Volume) (label.Name, bool) {
	if len(v.Labels) > 0 || len(v.Options) > 0 || v.Driver != "local" {
		return label.Name{}, false
	}
	return label.ParseName(v.Name)
}
