package driver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
)

// maxSidecarFiles bounds what is copied from one sidecar to the next, in bytes.
const maxSidecarFiles = 8 << 20

// withoutDamaged goes on where a daemon on the data of earlier jobs was ready, or
// err says why not. After a boot that failed the job gets a new sidecar with an
// empty data root, and wait waits for that. Nothing boots twice on one data root:
// what an earlier job has left there may have changed the sidecar already.
func (d *Driver) withoutDamaged(ctx context.Context, sandbox, sidecar string, err error, ready Ready, say func(string), wait func(ctx context.Context, sidecar string) (Ready, error)) (Ready, error) {
	var broken *brokenBoot
	if err == nil || !errors.As(err, &broken) || ctx.Err() != nil {
		return ready, err
	}
	say("the layers of earlier jobs are damaged and thrown away (the docker daemon " + broken.brief + "); going on without")
	id, err := d.replaceSidecar(ctx, sandbox, sidecar)
	if err != nil {
		return Ready{}, err
	}
	return wait(ctx, id)
}

// replaceSidecar puts a new sidecar in the place of one whose cached data root is damaged.
// It is the same but for the data root, which is new and goes with the sandbox.
// The damaged one gets its mark before its lease ends, and a sweep removes it.
func (d *Driver) replaceSidecar(ctx context.Context, sandbox, sidecar string) (id string, err error) {
	ctx, cancel := uncut(ctx)
	defer cancel()
	old, err := d.inspect(ctx, sidecar)
	if err == nil && old.HostConfig == nil {
		err = errNonsense
	}
	if err != nil {
		return "", d.explain("looking at the sidecar", err)
	}
	if err := d.end(ctx, old.ID); err != nil {
		return "", err
	}
	var files [][]byte
	for _, dir := range strings.Fields(old.Config.Labels[label.Files]) {
		content, err := d.readDir(ctx, old.ID, dir)
		if err != nil {
			return "", err
		}
		files = append(files, content)
	}
	damaged, spec := replacementOf(old, sandbox)
	if damaged == "" {
		return "", fmt.Errorf("the sidecar %s has no cached data root", old.Name)
	}
	v, err := d.api.VolumeInspect(ctx, damaged)
	if err != nil {
		return "", d.explain("looking at damaged layers", err)
	}
	if err := d.markState(ctx, &v, label.DataDamaged); err != nil {
		return "", err
	}
	if err := d.removeContainer(ctx, object{ref: old.ID, name: old.Name}); err != nil {
		return "", err
	}
	if id, err = d.create(ctx, spec); err != nil {
		return "", err
	}
	if err := d.putFiles(ctx, id, []file{{path: plan.FilesThere, mode: 0o644}}); err != nil {
		return "", err
	}
	for i, dir := range strings.Fields(old.Config.Labels[label.Files]) {
		if files[i] == nil {
			continue
		}
		err := d.api.CopyToContainer(ctx, id, dir[:strings.LastIndex(dir, "/")+1], bytes.NewReader(files[i]), container.CopyToContainerOptions{CopyUIDGID: true})
		if err != nil {
			return "", d.explain("copying files into a container", err)
		}
	}
	return id, d.explain("starting the new sidecar container", d.api.ContainerStart(ctx, id, container.StartOptions{}))
}

// end ends a container and waits for that.
func (d *Driver) end(ctx context.Context, id string) error {
	exits, errs := d.wait(ctx, id, container.WaitConditionNotRunning)
	_ = d.api.ContainerKill(ctx, id, "KILL") // one that has ended is fine
	select {
	case <-exits:
		return nil
	case err := <-errs:
		return d.explain("ending the docker daemon of this job", err)
	}
}

// readDir reads a directory of a container as an archive; nil where there is none.
// Nobody looks into it on this host.
func (d *Driver) readDir(ctx context.Context, id, dir string) ([]byte, error) {
	stream, _, err := d.api.CopyFromContainer(ctx, id, dir)
	if gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, d.explain("reading "+dir+" of a container", err)
	}
	defer stream.Close()
	content, err := io.ReadAll(io.LimitReader(stream, maxSidecarFiles+1))
	if err == nil && len(content) > maxSidecarFiles {
		err = fmt.Errorf("more than %d bytes", maxSidecarFiles)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s of a container: %w", dir, err)
	}
	return content, nil
}

// replacementOf is what the engine needs for a sidecar like another, with a data root
// of the sandbox's own in the place of a cached one, whose name it returns.
func replacementOf(old container.InspectResponse, sandbox string) (damaged string, spec created) {
	config, host := *old.Config, *old.HostConfig
	config.Volumes = nil // the mounts cover them
	config.Labels = maps.Clone(config.Labels)
	config.Labels[label.Layers] = string(plan.LayersDamaged)
	delete(config.Labels, label.Data)
	host.Mounts = slices.Clone(host.Mounts)
	for i, m := range host.Mounts {
		if label.IsCachedData(m.Source) {
			damaged = m.Source
			own := label.InSandbox(sandbox, plan.RoleData)
			own[label.Spec] = config.Labels[label.Spec]
			host.Mounts[i] = volumeMount(label.ObjectName(sandbox, plan.RoleData), m.Target, own)
		}
	}
	endpoint := &network.EndpointSettings{}
	if s := old.NetworkSettings; s != nil && s.Networks[label.NetworkName(sandbox)] != nil {
		for _, alias := range s.Networks[label.NetworkName(sandbox)].Aliases {
			if !strings.HasPrefix(old.ID, alias) { // the engine adds the short id itself
				endpoint.Aliases = append(endpoint.Aliases, alias)
			}
		}
	}
	return damaged, created{
		name: label.ObjectName(sandbox, plan.RoleSidecar), config: &config, host: &host,
		network: &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{label.NetworkName(sandbox): endpoint}},
	}
}
