package driver

import (
	"bytes"
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/volume"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
)

// The CAs of registries come into the job container as single files, each mounted
// over what its image has in that place; a job may write them. An archive would
// take the engine 85 ms, of which a claim has no more than 500. The files lie in a
// volume of the sandbox that containers have for reading alone, and that the engine
// fills from no image: so only hooks put names there.

// casPath is where the job container has that volume. It keeps those who prune
// volumes from taking it.
const casPath = "/gitlab-dind-executor/registries"

// placeCAs makes the volume and puts the CAs into it, which sidecar and job have in
// common. A sandbox made ahead knows no job. Where this process cannot, the CAs are
// copied into the container later.
func (prep *preparation) placeCAs(ctx context.Context, p *plan.Plan) {
	if len(p.Sidecar.RegistryCAs) == 0 || !strings.HasPrefix(prep.d.host, "unix://") {
		return
	}
	made, cancel := uncut(ctx)
	defer cancel()
	name := label.ObjectName(p.Sandbox, plan.RoleCAs)
	if _, err := prep.d.api.VolumeCreate(made, volume.CreateOptions{Name: name, Labels: label.ForSandbox(p, plan.RoleCAs)}); err != nil {
		return
	}
	dir, err := prep.d.openVolume(ctx, name)
	if err != nil {
		return
	}
	defer dir.Close()
	for host, pem := range p.Sidecar.RegistryCAs {
		if dir.Write(host, pem, 0o644) != nil {
			return
		}
	}
}

// mountCAs returns the mounts of the CAs that lie in the sandbox's volume; none
// where one is missing.
func (d *Driver) mountCAs(ctx context.Context, p *plan.Plan) []mount.Mount {
	if len(p.Job.RegistryCAs) == 0 {
		return nil
	}
	name := label.ObjectName(p.Sandbox, plan.RoleCAs)
	dir, err := d.openVolume(ctx, name)
	if err != nil {
		return nil
	}
	defer dir.Close()
	keeper := volumeMount(name, casPath, label.ForSandbox(p, plan.RoleCAs))
	keeper.ReadOnly, keeper.VolumeOptions.NoCopy = true, true
	list := []mount.Mount{keeper}
	for _, host := range slices.Sorted(maps.Keys(p.Job.RegistryCAs)) {
		if there, err := dir.Read(host, maxConfigFile); err != nil || !bytes.Equal(there, p.Job.RegistryCAs[host]) {
			return nil
		}
		list = append(list, mount.Mount{Type: mount.TypeBind, Source: filepath.Join(dir.Path(), host), Target: caPath(plan.ConfigDir, host)})
	}
	return list
}

// createJob creates the job container with the CAs of registries, or notes that
// they are to be copied.
func (prep *preparation) createJob(ctx context.Context, p *plan.Plan, name string, labels map[string]string, img image.InspectResponse) (id string, err error) {
	c, err := prep.withCache(ctx, p.Job.Container)
	if err != nil {
		return "", err
	}
	cas := prep.d.mountCAs(ctx, p)
	id, err = prep.d.createWith(ctx, p, c, name, labels, img, cas...)
	if len(cas) > 0 && err != nil && strings.Contains(err.Error(), "bind source path does not exist") {
		cas = nil // another host's engine
		id, err = prep.d.createWith(ctx, p, c, name, labels, img)
	}
	prep.copyCAs = len(cas) == 0
	return id, err
}

// registryCAs puts each CA where docker, and what follows its ways, looks for
// it below its directory of configuration.
func registryCAs(configDir string, cas map[string][]byte) []file {
	var files []file
	for _, host := range slices.Sorted(maps.Keys(cas)) {
		files = append(files, file{path: caPath(configDir, host), mode: 0o644, content: cas[host]})
	}
	return files
}

// caPath is where docker looks for the CA of a registry.
func caPath(configDir, host string) string {
	return filepath.Join(plan.RegistryCADir(configDir), host, "ca.crt")
}
