package main

import (
	"context"
	_ "embed" // healthCheck
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// anyShell is the command of helper and job container: a shell with a script on stdin.
const anyShell = "if command -v bash >/dev/null; then exec bash; else exec sh; fi"

// dockerCalls are calls of the engine as GitLab Runner's docker executor makes them.
type dockerCalls struct {
	engine *client.Client
	labels map[string]string
}

// image asks the registry for an image, and returns its id. So does pull_policy = "always",
// which is the default.
func (c dockerCalls) image(ctx context.Context, name string, credentials []local.Credentials) (id string, err error) {
	if _, err := c.engine.ImageInspect(ctx, name); err != nil {
		return "", err
	}
	var options image.PullOptions
	for _, known := range credentials {
		if strings.HasPrefix(name, known.URL+"/") {
			auth := registry.AuthConfig{Username: known.Username, Password: known.Password, ServerAddress: known.URL}
			if options.RegistryAuth, err = registry.EncodeAuthConfig(auth); err != nil {
				return "", err
			}
		}
	}
	progress, err := c.engine.ImagePull(ctx, name, options)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(io.Discard, progress)
	if err := errors.Join(err, progress.Close()); err != nil {
		return "", err
	}
	found, err := c.engine.ImageInspect(ctx, name)
	return found.ID, err
}

func (c dockerCalls) create(ctx context.Context, name string, config *container.Config, host *container.HostConfig) (string, error) {
	created, err := c.engine.ContainerCreate(ctx, config, host, nil, nil, name)
	return created.ID, err
}

// remove takes a container out of its networks, and removes it with its anonymous volumes. It
// looks into all networks of the engine. A missing container is no error.
func (c dockerCalls) remove(ctx context.Context, which string) error {
	networks, err := c.engine.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return err
	}
	for _, n := range networks {
		inspected, err := c.engine.NetworkInspect(ctx, n.ID, network.InspectOptions{})
		if err != nil {
			continue
		}
		if _, in := inspected.Containers[which]; in {
			_ = c.engine.NetworkDisconnect(ctx, n.ID, which, true) // the removal reports failures
		}
	}
	err = c.engine.ContainerRemove(ctx, which, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}

// wait waits for the end of a container. A failed container is an error.
func (c dockerCalls) wait(ctx context.Context, id string) error {
	return ended(c.engine.ContainerWait(ctx, id, container.WaitConditionNotRunning))
}

func ended(done <-chan container.WaitResponse, failed <-chan error) error {
	select {
	case err := <-failed:
		return err
	case end := <-done:
		if end.StatusCode != 0 {
			return fmt.Errorf("exit code %d", end.StatusCode)
		}
		return nil
	}
}

// healthCheck waits as gitlab-runner-helper does, and lets gitlab-runner-helper wait where the
// image has this program.
//
//go:embed healthcheck.sh
var healthCheck string

// healthCheck runs a container that dials the ports of a service, at once and then every
// second, until a port answers.
func (c dockerCalls) healthCheck(ctx context.Context, service, host, address string, ports []string) (err error) {
	if _, err := c.engine.ImageInspect(ctx, rig.ImageHelper); err != nil {
		return err
	}
	env := []string{"WAIT_FOR_SERVICE_TCP_ADDR=" + host}
	for _, port := range ports {
		env = append(env, fmt.Sprintf("WAIT_FOR_SERVICE_%s_TCP_PORT=%[1]s", port))
	}
	config := &container.Config{Image: rig.ImageHelper, Labels: c.labels, Env: env, Cmd: append([]string{"bash", "-c", healthCheck, "health-check"}, ports...)}
	id, err := c.create(ctx, service+"-wait-for-service", config, &container.HostConfig{ExtraHosts: []string{host + ":" + address}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.remove(context.WithoutCancel(ctx), id)) }()
	if err := c.engine.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return err
	}
	return c.wait(ctx, id)
}

// attached starts a container with a script on its stdin and copies the output. At the output's
// end attached stops the container, should it still run, and waits for its end. In a job's
// container it first tells the remaining processes to end. It does so by an exec, which the
// engine refuses as a rule.
func (c dockerCalls) attached(ctx context.Context, id, script string, out io.Writer, isJob bool) error {
	conn, err := c.engine.ContainerAttach(ctx, id, container.AttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := c.engine.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, conn.Close)
	defer stop()
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(conn.Conn, script)
		sent <- errors.Join(err, conn.CloseWrite())
	}()
	_, err = stdcopy.StdCopy(out, out, conn.Reader)
	conn.Close()
	if err := errors.Join(err, <-sent, ctx.Err()); err != nil {
		return err
	}
	if isJob {
		_, _ = c.engine.ContainerExecCreate(ctx, id, container.ExecOptions{Cmd: []string{"sh", "-c", "true"}})
	}
	done, failed := c.engine.ContainerWait(ctx, id, container.WaitConditionNotRunning)
	if err := c.engine.ContainerStop(ctx, id, container.StopOptions{}); err != nil {
		return err
	}
	return ended(done, failed)
}
