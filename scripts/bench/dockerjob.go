package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/volume"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// dockerVolumes are the Runner's volumes. GitLab's documentation has the first two in the
// config.toml for docker:dind. The Runner adds the folder of the sources. All three outlive
// their jobs: each place of a Runner has its own for each project.
var dockerVolumes = []struct{ name, path string }{
	{"certs", "/certs/client"}, {"cache", "/cache"}, {"builds", "/builds"},
}

// dockerJob is a single job.
type dockerJob struct {
	dockerCalls
	p local.Payload
	// project begins the names of volumes that outlive the job. name begins all other names.
	project, name string
	// hosts are extra hosts of all containers, links the extra hosts of helper and job
	// container.
	hosts, links, binds []string
	// made are the containers to remove at the end.
	made              []string
	helper, container string
	log               lineClock
}

// prepare does all the work before the first script.
func (j *dockerJob) prepare(ctx context.Context) error {
	if _, err := j.engine.Info(ctx); err != nil {
		return err
	}
	if _, err := j.engine.ServerVersion(ctx); err != nil {
		return err
	}
	// The image is for the containers that set permissions, in turn.
	if _, err := j.engine.ImageInspect(ctx, rig.ImageHelper); err != nil {
		return err
	}
	for _, v := range dockerVolumes {
		if err := j.volume(ctx, j.project+"-cache-"+v.name, v.path); err != nil {
			return fmt.Errorf("volume %s: %w", v.path, err)
		}
	}
	for i, s := range j.p.Services {
		if err := j.service(ctx, i, s); err != nil {
			return fmt.Errorf("service %s: %w", s.Name, err)
		}
	}
	if _, err := j.engine.ImageInspect(ctx, rig.ImageHelper); err != nil {
		return err
	}
	_, err := j.image(ctx, j.p.Image.Name, j.p.Credentials)
	return err
}

// volume makes a volume, or finds it. A container of its own opens the volume to every user.
func (j *dockerJob) volume(ctx context.Context, name, path string) error {
	v, err := j.engine.VolumeCreate(ctx, volume.CreateOptions{Name: name, Labels: j.labels})
	if err != nil {
		return err
	}
	const mounted = "/gitlab-runner-cache-init"
	config := &container.Config{Image: rig.ImageHelper, Cmd: []string{"gitlab-runner-helper", "cache-init", mounted}, Labels: j.labels}
	id, err := j.create(ctx, j.name+"-set-permission-"+strings.Trim(strings.ReplaceAll(path, "/", "-"), "-"), config, &container.HostConfig{Binds: []string{v.Name + ":" + mounted}})
	if err != nil {
		return err
	}
	err = j.engine.ContainerStart(ctx, id, container.StartOptions{})
	if err == nil {
		err = j.wait(ctx, id)
	}
	j.binds = append(j.binds, v.Name+":"+path)
	return errors.Join(err, j.engine.ContainerRemove(ctx, id, container.RemoveOptions{Force: true}))
}

// service starts a service, and waits until a port of the service answers.
func (j *dockerJob) service(ctx context.Context, index int, s local.Image) error {
	image, err := j.image(ctx, s.Name, j.p.Credentials)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%s-docker-%d", j.name, index)
	if err := j.remove(ctx, name); err != nil { // there is no such container
		return err
	}
	id, err := j.create(
		ctx, name,
		&container.Config{Image: image, Labels: j.labels, Env: environment(j.p.Variables, true), Cmd: s.Command},
		&container.HostConfig{Privileged: true, Binds: j.binds, ExtraHosts: j.hosts},
	)
	if err != nil {
		return err
	}
	j.made = append(j.made, id)
	if err := j.engine.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return err
	}
	c, err := j.engine.ContainerInspect(ctx, id)
	if err != nil {
		return err
	}
	address := ""
	for _, n := range c.NetworkSettings.Networks {
		address = n.IPAddress
	}
	var ports []string
	for port := range c.Config.ExposedPorts {
		ports = append(ports, port.Port())
	}
	j.links = append(j.links, id[:12]+":"+address)
	for _, alias := range strings.Fields(s.Alias) {
		j.links = append(j.links, alias+":"+address)
	}
	return j.healthCheck(ctx, name, id[:12], address, ports)
}

// stage runs a script in the helper or in the job's container. Each container is made for its
// first script and started again for every other.
func (j *dockerJob) stage(ctx context.Context, s stageScript) (err error) {
	where, name := &j.helper, "predefined"
	if s.ofJob() {
		where, name = &j.container, "build"
	}
	if *where != "" {
		_, err = j.engine.ContainerInspect(ctx, *where)
	} else {
		*where, err = j.containerFor(ctx, name)
	}
	if err == nil {
		err = j.attached(ctx, *where, s.text, &j.log, s.ofJob())
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return nil
}

// containerFor makes the helper or the job's container.
func (j *dockerJob) containerFor(ctx context.Context, role string) (string, error) {
	image := rig.ImageHelper
	if role == "build" {
		image = j.p.Image.Name
	} else if _, err := j.engine.ImageInspect(ctx, image); err != nil {
		return "", err
	}
	// The image was pulled already, so no registry is asked again.
	if _, err := j.engine.ImageInspect(ctx, image); err != nil {
		return "", err
	}
	name := j.name + "-" + role
	if err := j.remove(ctx, name); err != nil { // there is no such container
		return "", err
	}
	config := &container.Config{
		Image: image, Labels: j.labels, Env: environment(j.p.Variables, false), Cmd: []string{"sh", "-c", anyShell},
		AttachStdin: true, AttachStdout: true, AttachStderr: true, OpenStdin: true, StdinOnce: true,
	}
	id, err := j.create(ctx, name, config, &container.HostConfig{
		Privileged: true, Binds: j.binds, ExtraHosts: append(append([]string{}, j.hosts...), j.links...),
	})
	if err != nil {
		return "", err
	}
	j.made = append(j.made, id)
	_, err = j.engine.ContainerInspect(ctx, id)
	return id, err
}

// cleanup removes the containers, side by side.
func (j *dockerJob) cleanup(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, removeBound)
	defer cancel()
	errs := make([]error, len(j.made))
	var all sync.WaitGroup
	for i, id := range j.made {
		all.Go(func() { errs[i] = j.remove(ctx, id) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// environment is a container's environment: all variables of a job, or the public variables
// alone.
func environment(vars []local.Variable, public bool) (env []string) {
	for _, v := range vars {
		if v.Public || !public {
			env = append(env, v.Key+"="+v.Value)
		}
	}
	return env
}
