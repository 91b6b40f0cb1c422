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

// The states of a container, in the engine's words.
const (
	Created = "created"
	Running = "running"
	Paused  = "paused"
	Exited  = "exited"
	Dead    = "dead"
)

// Container is a container as the engine lists it.
type Container struct {
	ID, Name string
	// Image is what it was made of, ImageID what that was then.
	Image, ImageID string
	Labels         map[string]string
	// State is one of the constants, or another word.
	State string
	// Volumes are those that it has, by name.
	Volumes []string
	// Address is where one of its ports is published, host:port; empty if none is.
	Address string
}

// Details is a container as the engine describes it.
type Details struct {
	ID, Name string
	// Image is what it was made of.
	Image  string
	Labels map[string]string
	// Status is one of the constants of states, or another word.
	Status          string
	Running, Paused bool
	ExitCode        int
	OutOfMemory     bool
	// Error is why it did not start.
	Error string
	// Created, Started and Finished are zero where the engine does not tell.
	Created, Started, Finished time.Time
	Healthy                    bool
	Hostname                   string
	Command, Environment       []string
	// HealthTest and Shell are its health check and the shell for that.
	HealthTest, Shell []string
	// Exposed are its ports, as in 5432/tcp.
	Exposed []string
	// MemoryLimit is in bytes; 0 is none.
	MemoryLimit int64
	// Ordinary says that the engine gave it no rights beyond a container's usual ones.
	Ordinary bool
	// Execs is how many commands run in it besides its own.
	Execs int
	// Places are where its mounts lie in it.
	Places []string
	// Endpoints are its places in networks, by the network's name; nil where the
	// engine does not tell.
	Endpoints map[string]Endpoint
	// Published is where its ports are published, host:port, by port as in 5000/tcp.
	Published map[string]string

	raw container.InspectResponse
}

// Endpoint is a container's place in a network.
type Endpoint struct {
	IP      string
	Aliases []string
}

// ErrNonsense is an answer that parses and means nothing.
var ErrNonsense = errors.New("the engine's answer describes no container")

// Containers lists the containers with all of the labels, each a key or key=value,
// in any state. The engine looks at all that there are for that: Expected asks for less.
func (e *Engine) Containers(ctx context.Context, labels ...string) ([]Container, error) {
	return e.containers(ctx, e.labelled(labels))
}

// containerOf is a container as the engine lists it.
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

// Container looks at a container, by its id or name. An answer without what every
// container has is ErrNonsense: an engine in trouble, or a proxy before it, may say
// anything.
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

// endpointsOf are the places of a container that another one has joined: none where it
// is gone, nil where the engine does not tell.
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

// Named lists the containers whose names match a regular expression and that have the
// label, in any state.
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

// moment is zero for what is none.
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

// Stop lets a container end by itself within a grace, and then ends it.
func (e *Engine) Stop(ctx context.Context, id string, grace time.Duration) error {
	seconds := int(grace.Seconds())
	return e.api.ContainerStop(ctx, id, container.StopOptions{Timeout: &seconds})
}

// Pause lets nothing of a container run.
func (e *Engine) Pause(ctx context.Context, id string) error { return e.api.ContainerPause(ctx, id) }

// Unpause lets it go on.
func (e *Engine) Unpause(ctx context.Context, id string) error {
	return e.api.ContainerUnpause(ctx, id)
}

// Rename gives a container another name.
func (e *Engine) Rename(ctx context.Context, id, name string) error {
	return e.api.ContainerRename(ctx, id, name)
}

// Remove ends a container and removes it, with volumes that have no name.
func (e *Engine) Remove(ctx context.Context, id string) error {
	err := e.api.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if err == nil || Gone(err) {
		e.forget(id)
	}
	return err
}

// Until is what Wait waits for.
type Until string

// What can be waited for.
const (
	// NotRunning is there at once where a container does not run.
	NotRunning Until = Until(container.WaitConditionNotRunning)
	// NextExit is the end of a container that is about to start.
	NextExit Until = Until(container.WaitConditionNextExit)
	// Removed is when a container is gone.
	Removed Until = Until(container.WaitConditionRemoved)
)

// Exit is how a container has ended.
type Exit struct {
	Code int
	// Error is why the engine does not know; empty where it does.
	Error string
}

// Wait tells of a container's end, once. The client's own wait needs somebody
// who takes its answer, or a goroutine of it never ends; these need not be
// listened to.
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
