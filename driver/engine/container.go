package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
)

// States of a container, in the engine's words.
const (
	Created = "created"
	Running = "running"
	Paused  = "paused"
	Exited  = "exited"
	Dead    = "dead"
)

// Container is an entry of the engine's list of containers.
type Container struct {
	ID, Name string
	// Image is the image's name, ImageID the id behind the name at creation.
	Image, ImageID string
	Labels         map[string]string
	// State is one of the constants above, or another word.
	State string
	// Volumes are the names of the container's volumes.
	Volumes []string
	// Address is the host:port of a published port; empty without one.
	Address string
}

// Details is the engine's full description of a container.
type Details struct {
	ID, Name string
	// Image is the image's name.
	Image  string
	Labels map[string]string
	// Status is one of the constants above, or another word.
	Status          string
	Running, Paused bool
	ExitCode        int
	OutOfMemory     bool
	// Error is the reason of a failed start.
	Error string
	// Created, Started and Finished are zero if the engine does not tell.
	Created, Started, Finished time.Time
	Healthy                    bool
	Hostname                   string
	Command, Environment       []string
	// HealthTest is the health check, and Shell the shell that runs the check.
	HealthTest, Shell []string
	// Exposed are the exposed ports, as in 5432/tcp.
	Exposed []string
	// MemoryLimit is in bytes; 0 is none.
	MemoryLimit int64
	// Ordinary: the container has no rights beyond the engine's usual ones.
	Ordinary bool
	// HostNetwork and HostProcesses: the container has the network of the engine's host, and
	// sees the processes there.
	HostNetwork, HostProcesses bool
	// Execs is the number of further commands running in the container.
	Execs int
	// Places are the paths of mounts inside the container.
	Places []string
	// Endpoints are the container's places in networks, by the network's name; nil if the engine
	// does not tell.
	Endpoints map[string]Endpoint
	// Published has the host:port of each published port, by port as in 5000/tcp.
	Published map[string]string

	raw container.InspectResponse
}

// Endpoint is a container's place in a network.
type Endpoint struct {
	IP      string
	Aliases []string
}

// ErrNonsense is returned for an answer that parses and describes nothing.
var ErrNonsense = errors.New("the engine's answer describes no container")

// Containers lists the containers with all of the labels, each a key or key=value, in any state.
// The engine reads all of its containers for this list; Expected costs less.
func (e *Engine) Containers(ctx context.Context, labels ...string) ([]Container, error) {
	return e.containers(ctx, e.labelled(labels))
}

// containerOf translates an entry of the engine's list.
func containerOf(c container.Summary) Container {
	one := Container{ID: c.ID, Image: c.Image, ImageID: c.ImageID, Labels: c.Labels, State: c.State}
	if len(c.Names) > 0 {
		one.Name = strings.TrimPrefix(c.Names[0], "/")
	}
	for _, m := range c.Mounts {
		if m.Name != "" {
			one.Volumes = append(one.Volumes, m.Name)
		}
	}
	for _, p := range c.Ports {
		if p.PublicPort != 0 {
			one.Address = fmt.Sprintf("%s:%d", p.IP, p.PublicPort)
		}
	}
	return one
}

// Container describes a container, by its id or name. An answer without the parts of every
// container is ErrNonsense: an engine in trouble, or a proxy in between, may say anything.
func (e *Engine) Container(ctx context.Context, id string) (Details, error) {
	c, err := e.api.ContainerInspect(ctx, id)
	if err == nil && (c.ContainerJSONBase == nil || c.State == nil || c.Config == nil) {
		err = ErrNonsense
	}
	if err != nil {
		return Details{}, err
	}
	d := details(c)
	if c.HostConfig != nil && c.HostConfig.NetworkMode.IsContainer() {
		d.Endpoints = e.endpointsOf(ctx, c.HostConfig.NetworkMode.ConnectedContainer())
	}
	return d, nil
}

// endpointsOf are the places of a container whose network another container has joined. The
// answer is empty if the container is gone, and nil if the engine does not tell.
func (e *Engine) endpointsOf(ctx context.Context, id string) map[string]Endpoint {
	c, err := e.api.ContainerInspect(ctx, id)
	switch {
	case Gone(err):
		return map[string]Endpoint{}
	case err != nil || c.ContainerJSONBase == nil || c.State == nil || c.Config == nil:
		return nil
	}
	return details(c).Endpoints
}

// Named lists the containers with a label and a name that matches a regular expression, in any
// state.
func (e *Engine) Named(ctx context.Context, expression, labelled string) ([]Container, error) {
	f := e.labelled([]string{labelled})
	f.Add("name", expression)
	return e.containers(ctx, f)
}

func details(c container.InspectResponse) Details {
	d := Details{
		ID: c.ID, Name: strings.TrimPrefix(c.Name, "/"), Image: c.Config.Image, Labels: c.Config.Labels,
		Status: c.State.Status, Running: c.State.Running, Paused: c.State.Paused, ExitCode: c.State.ExitCode,
		OutOfMemory: c.State.OOMKilled, Error: c.State.Error,
		Created: moment(c.Created), Started: moment(c.State.StartedAt), Finished: moment(c.State.FinishedAt),
		Healthy:  c.State.Health != nil && c.State.Health.Status == container.Healthy,
		Hostname: c.Config.Hostname, Command: c.Config.Cmd, Environment: c.Config.Env, Shell: c.Config.Shell,
		Execs: len(c.ExecIDs), Published: map[string]string{}, raw: c,
	}
	if h := c.Config.Healthcheck; h != nil {
		d.HealthTest = h.Test
	}
	for port := range c.Config.ExposedPorts {
		d.Exposed = append(d.Exposed, string(port))
	}
	if c.HostConfig != nil {
		d.MemoryLimit = c.HostConfig.Memory
		d.Ordinary = !c.HostConfig.Privileged && len(c.HostConfig.CapAdd) == 0
		d.HostNetwork, d.HostProcesses = c.HostConfig.NetworkMode.IsHost(), c.HostConfig.PidMode.IsHost()
	}
	for _, m := range c.Mounts {
		d.Places = append(d.Places, m.Destination)
	}
	if n := c.NetworkSettings; n != nil {
		d.Endpoints = map[string]Endpoint{}
		for name, at := range n.Networks {
			d.Endpoints[name] = Endpoint{}
			if at != nil {
				d.Endpoints[name] = Endpoint{at.IPAddress, at.Aliases}
			}
		}
		for port, bindings := range n.Ports {
			for _, b := range bindings {
				d.Published[string(port)] = net.JoinHostPort(b.HostIP, b.HostPort)
			}
		}
	}
	return d
}

// moment parses a time of the engine; zero if there is none.
func moment(text string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return at
}

// Start starts a container.
func (e *Engine) Start(ctx context.Context, id string) error {
	return e.api.ContainerStart(ctx, id, container.StartOptions{})
}

// Kill sends a signal, as in KILL, to a container's first process.
func (e *Engine) Kill(ctx context.Context, id, signal string) error {
	return e.api.ContainerKill(ctx, id, signal)
}

// Stop asks a container to end, and kills it after the grace.
func (e *Engine) Stop(ctx context.Context, id string, grace time.Duration) error {
	seconds := int(grace.Seconds())
	return e.api.ContainerStop(ctx, id, container.StopOptions{Timeout: &seconds})
}

// Pause freezes all processes of a container.
func (e *Engine) Pause(ctx context.Context, id string) error { return e.api.ContainerPause(ctx, id) }

// Unpause ends a pause.
func (e *Engine) Unpause(ctx context.Context, id string) error {
	return e.api.ContainerUnpause(ctx, id)
}

// Rename gives a container another name.
func (e *Engine) Rename(ctx context.Context, id, name string) error {
	return e.api.ContainerRename(ctx, id, name)
}

// Remove kills and removes a container, along with its anonymous volumes.
func (e *Engine) Remove(ctx context.Context, id string) error {
	err := e.api.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if err == nil || Gone(err) {
		e.forget(id)
	}
	return err
}

// Until is the condition of a Wait.
type Until string

// Conditions of a Wait.
const (
	// NotRunning holds at once for a container that does not run.
	NotRunning Until = Until(container.WaitConditionNotRunning)
	// NextExit is the end of a container that is about to start.
	NextExit Until = Until(container.WaitConditionNextExit)
	// Removed is the removal of a container.
	Removed Until = Until(container.WaitConditionRemoved)
)

// Exit is the end of a container.
type Exit struct {
	Code int
	// Error is the reason why the engine does not know the code; empty if it does.
	Error string
}

// Wait reports a container's end, once. The caller need not read either channel. The client's own
// wait would leak a goroutine until somebody takes its answer.
func (e *Engine) Wait(ctx context.Context, id string, until Until) (<-chan Exit, <-chan error) {
	exits, errs := e.api.ContainerWait(ctx, id, container.WaitCondition(until))
	exit, fail := make(chan Exit, 1), make(chan error, 1)
	go func() {
		select {
		case r := <-exits:
			one := Exit{Code: int(r.StatusCode)}
			if r.Error != nil {
				one.Error = r.Error.Message
			}
			exit <- one
		case err := <-errs:
			fail <- err
		}
	}()
	return exit, fail
}

// Processes are the command lines of all processes in a container.
func (e *Engine) Processes(ctx context.Context, id string) ([]string, error) {
	top, err := e.api.ContainerTop(ctx, id, []string{"-o", "pid,args"})
	if err != nil {
		return nil, err
	}
	var list []string
	for _, p := range top.Processes {
		if len(p) == 2 {
			list = append(list, p[1])
		}
	}
	return list, nil
}
