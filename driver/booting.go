package driver

import (
	"context"
	"slices"
	"strings"
	"time"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
)

// Booted is the inner daemon of a job, as the first script finds it.
type Booted struct {
	// Docker is its version; empty if not known.
	Docker string
	// Booting says that prepare did not wait for it, and Waited is for how long
	// the script had to.
	Booting bool
	Waited  time.Duration
}

// AwaitDaemon waits until a job's inner daemon answers, where prepare has left
// it booting: it boots while sources are fetched. bound is what the wait may
// take, twice on the layers of earlier jobs, and given what the pipeline has said of
// the sidecar. say receives lines for the job log.
func (d *Driver) AwaitDaemon(ctx context.Context, job string, bound time.Duration, given plan.Given, say func(string)) (Booted, error) {
	began := time.Now()
	if err := d.eng.Greet(ctx); err != nil {
		return Booted{}, err
	}
	found, err := d.eng.Containers(ctx, label.Job+"="+job, label.Booting)
	if err != nil || len(found) == 0 {
		return Booted{}, d.eng.Explain("looking for the job's container", err)
	}
	sandbox := found[0].Labels[label.Sandbox]
	sidecar, err := d.find.SidecarIn(ctx, sandbox)
	if err != nil || sidecar.ID == "" {
		return Booted{}, err // the script tells what it misses
	}
	wait := func(ctx context.Context, sidecar string) (Ready, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, bound, errNotReady)
		defer cancel()
		return d.awaitBoot(ctx, sandbox, sidecar, given)
	}
	ready, err := wait(ctx, sidecar.ID)
	if sidecar.Labels[label.Layers] == string(plan.LayersReused) {
		ready, err = d.withoutDamaged(ctx, sandbox, sidecar.ID, err, ready, say, wait)
	}
	return Booted{Docker: ready.Docker, Booting: true, Waited: time.Since(began)}, err
}

// awaitBoot waits until the daemon of a sidecar answers that prepare has started.
func (d *Driver) awaitBoot(ctx context.Context, sandbox, sidecar string, given plan.Given) (Ready, error) {
	c, err := d.eng.Container(ctx, sidecar)
	if err != nil {
		return Ready{}, d.eng.Explain("looking at the sidecar", err)
	}
	p := &plan.Plan{Sandbox: sandbox, Sidecar: listening(c)}
	p.Sidecar.Given = given
	if !c.Running {
		return Ready{}, d.sidecarDied(ctx, sidecar, p, c.ExitCode)
	}
	_, certs, err := d.clientFiles(ctx, sandbox, sidecar, p.Sidecar.TLS != nil)
	if err != nil {
		if c, inspectErr := d.eng.Container(ctx, sidecar); inspectErr == nil && !c.Running {
			err = d.sidecarDied(ctx, sidecar, p, c.ExitCode)
		}
		return Ready{}, err
	}
	return d.waitReady(ctx, sidecar, p, certs)
}

// listening tells from a sidecar how its daemon listens.
func listening(c engine.Details) plan.Sidecar {
	s := plan.Sidecar{Port: plan.PlaintextPort}
	s.Image.Name = label.ImageName(c.Labels, c.Image)
	env := slices.Clone(c.Environment)
	slices.Reverse(env) // the last of duplicates wins
	for _, kv := range env {
		if dir, ok := strings.CutPrefix(kv, "DOCKER_TLS_CERTDIR="); ok {
			if dir != "" {
				s.TLS, s.Port = &plan.TLS{}, plan.TLSPort
			}
			break
		}
	}
	return s
}
