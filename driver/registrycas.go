package driver

import (
	"bytes"
	"context"
	"maps"
	"path/filepath"
	"slices"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
)

// The CAs of registries come into the job container as single files, each mounted over the
// image's own file; a job may write them. Copying an archive takes the engine 85 ms, and a
// claim has 500 ms in all. The files lie in a volume of the sandbox. Containers mount it
// read-only, and the engine fills it from no image, so only hooks put names there.

// casPath is where the job container mounts that volume. A mounted volume survives a prune
// of volumes.
const casPath = "/gitlab-dind-executor/registries"

// placeCAs makes the volume and writes the sidecar's CAs into it. The job has the same CAs,
// and a sandbox made ahead knows its sidecar but no job. If this process cannot open the
// volume, the CAs are copied into the container later.
func (prep *preparation) placeCAs(ctx context.Context, p *plan.Plan) {
	if len(p.Sidecar.RegistryCAs) == 0 || !prep.d.eng.Local() {
		return
	}
	made, cancel := prep.d.eng.Uncut(ctx)
	defer cancel()
	name := label.ObjectName(p.Sandbox, plan.RoleCAs)
	if _, err := prep.d.eng.CreateVolume(made, name, label.ForSandbox(p, plan.RoleCAs)); err != nil {
		return
	}
	dir, err := prep.d.eng.OpenVolume(ctx, name)
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

// mountCAs returns the mounts of the CAs in the sandbox's volume, or nil if a CA is
// missing.
func (d *Driver) mountCAs(ctx context.Context, p *plan.Plan) []engine.Mount {
	if len(p.Job.RegistryCAs) == 0 {
		return nil
	}
	name := label.ObjectName(p.Sandbox, plan.RoleCAs)
	dir, err := d.eng.OpenVolume(ctx, name)
	if err != nil {
		return nil
	}
	defer dir.Close()
	list := []engine.Mount{{Volume: name, Target: casPath, Labels: label.ForSandbox(p, plan.RoleCAs), ReadOnly: true, NoCopy: true}}
	for _, host := range slices.Sorted(maps.Keys(p.Job.RegistryCAs)) {
		if there, err := dir.Read(host, engine.MaxConfigFile); err != nil || !bytes.Equal(there, p.Job.RegistryCAs[host]) {
			return nil
		}
		list = append(list, engine.Mount{File: filepath.Join(dir.Path(), host), Target: plan.RegistryCAFile(plan.ConfigDir, host)})
	}
	return list
}

// createJob creates the job container with mounts of the registries' CAs. If that is not
// possible, it sets copyCAs.
func (prep *preparation) createJob(ctx context.Context, p *plan.Plan, name string, labels map[string]string, img engine.Image) (id string, err error) {
	c, err := prep.withCache(ctx, p.Job.Container)
	if err != nil {
		return "", err
	}
	cas := prep.d.mountCAs(ctx, p)
	id, err = prep.d.createWith(ctx, p, c, name, labels, img, cas...)
	if len(cas) > 0 && err != nil && engine.Refused(err, engine.NoSource) {
		cas = nil // the engine is on another host
		id, err = prep.d.createWith(ctx, p, c, name, labels, img)
	}
	prep.copyCAs = len(cas) == 0
	return id, err
}

// registryCAs returns the CAs as files below configDir, where docker and programs with the
// same convention look for them.
func registryCAs(configDir string, cas map[string][]byte) []engine.File {
	var files []engine.File
	for _, host := range slices.Sorted(maps.Keys(cas)) {
		files = append(files, engine.File{Path: plan.RegistryCAFile(configDir, host), Mode: 0o644, Content: cas[host]})
	}
	return files
}
