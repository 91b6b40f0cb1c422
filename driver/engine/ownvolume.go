package engine

import (
	"context"
	"errors"
	"fmt"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/fault"
)

// ErrForeign is returned when somebody else's volume has a name of ours. Nobody may use such a
// volume, since its content is not what the name promises.
var ErrForeign = errors.New("somebody else's volume has its name")

// decisive are the labels that tell a volume's kind and owner. Other labels may differ between
// two versions, or after the renaming of a project.
var decisive = []string{label.Role, label.Scope, label.Sandbox, label.Job, label.Spec, label.Seed, label.Of, label.Remote, label.Path}

// OwnVolume finds or creates a volume under a name that later jobs use again. A volume of
// somebody else is ErrForeign, with a hint for an admin. The engine itself takes any volume of a
// name, whatever its labels and its place. So no mount of such a name comes before OwnVolume.
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

// Foreign says why a volume is not ours by these labels; "" if the volume is.
func Foreign(v Volume, labels map[string]string) string {
	// An option can make a volume out of any directory or device of the host.
	if v.Driver != "local" || len(v.Options) > 0 {
		return "its driver or its options are not ours"
	}
	for _, key := range decisive {
		if v.Labels[key] != labels[key] {
			return "its label " + key + " is another" // the label's value is no business of the job
		}
	}
	return ""
}

// Lost reads the name of a volume that has lost its labels. The answer is false for a volume with
// any label, with options or with another driver: this program makes no such volumes.
func Lost(v *Volume) (label.Name, bool) {
	if len(v.Labels) > 0 || len(v.Options) > 0 || v.Driver != "local" {
		return label.Name{}, false
	}
	return label.ParseName(v.Name)
}
