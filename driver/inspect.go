package driver

import (
	"context"
	"errors"

	"github.com/docker/docker/api/types/container"
)

// errNonsense is an answer that parses and means nothing.
var errNonsense = errors.New("the engine's answer describes no container")

// inspect looks at a container. An answer without what every container has is
// an error: an engine in trouble, or a proxy before it, may say anything.
func (d *Driver) inspect(ctx context.Context, id string) (container.InspectResponse, error) {
	c, err := d.api.ContainerInspect(ctx, id)
	if err == nil && (c.ContainerJSONBase == nil || c.State == nil || c.Config == nil) {
		err = errNonsense
	}
	return c, err
}

// wait tells of a container's end, once. The client's own wait needs somebody
// who takes its answer, or a goroutine of it never ends; these need not be
// listened to.
func (d *Driver) wait(ctx context.Context, id string, condition container.WaitCondition) (<-chan container.WaitResponse, <-chan error) {
	exits, errs := d.api.ContainerWait(ctx, id, condition)
	exit, fail := make(chan container.WaitResponse, 1), make(chan error, 1)
	go func() {
		select {
		case e := <-exits:
			exit <- e
		case err := <-errs:
			fail <- err
		}
	}()
	return exit, fail
}
