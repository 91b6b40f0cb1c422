package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"gitlab-dind-executor/test/rig"
)

const (
	removeBound = time.Minute
	// lateTime is the time for a request whose client has gone. The engine carries such a
	// request out all the same.
	lateTime = 2 * time.Second
)

// remove removes the objects with the name, or with the name, a dash and more. The removal has
// a time of its own. After an interruption remove looks twice, because objects may still have
// been under way.
func (b *bench) remove(ctx context.Context, name string) error {
	interrupted := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeBound)
	defer cancel()
	err := b.removeNow(ctx, name)
	if interrupted {
		time.Sleep(lateTime)
		err = b.removeNow(ctx, name)
	}
	if err != nil {
		return fmt.Errorf("removing %s: %w", name, err)
	}
	return nil
}

// removeNow removes the present objects: containers with their anonymous volumes, then networks
// and volumes.
func (b *bench) removeNow(ctx context.Context, name string) error {
	objects, err := rig.Snapshot(ctx, b.lab.Engine)
	if err != nil {
		return err
	}
	engine := b.lab.Engine
	var errs []error
	for _, o := range objects { // sorted by kind, containers first
		if o.Name != name && !strings.HasPrefix(o.Name, name+"-") {
			continue
		}
		var err error
		switch o.Kind {
		case "container":
			err = engine.ContainerRemove(ctx, o.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
			if errdefs.IsConflict(err) { // --rm is removing the container
				err = nil
			}
		case "network":
			err = engine.NetworkRemove(ctx, o.ID)
		case "volume":
			err = engine.VolumeRemove(ctx, o.ID, false)
		}
		if err != nil && !errdefs.IsNotFound(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// gone takes a removal for done where no object was, or where another removal is under way.
func gone(err error) error {
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) && strings.Contains(err.Error(), "in progress") {
		return nil
	}
	return err
}
