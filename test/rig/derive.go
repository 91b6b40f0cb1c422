package rig

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
)

// derivedRepo is the repository of derived images.
const derivedRepo = imagePrefix + "derived"

// removalTime bounds a removal by the rig, because the caller's own time may be over by then.
var removalTime = Slower(30 * time.Second)

// Derive makes an image from another with instructions of a Dockerfile, such as `ENTRYPOINT
// ["/bin/sh"]`, and returns its name. The engine accepts CMD, ENTRYPOINT, ENV, EXPOSE,
// HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR. The image is removed when
// the test ends. By then no container of the image may be left. The image bears the rig's
// labels, and so does every container of it.
func Derive(t testing.TB, cli *client.Client, base string, changes ...string) string {
	t.Helper()
	return DeriveWith(t, cli, base, nil, changes...)
}

// DeriveWith is Derive with additional files. Files under a VOLUME of the base are lost.
func DeriveWith(t testing.TB, cli *client.Client, base string, files []File, changes ...string) string {
	t.Helper()
	name, err := derive(t.Context(), cli, base, files, changes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), removalTime)
		defer cancel()
		awaitRemovals(ctx, cli)
		if err := removeImage(ctx, cli, name); err != nil {
			t.Errorf("cannot remove the image derived from %s: %v", base, err)
		}
	})
	return name
}

// NewImage makes an image as [DeriveWith] does, for a program rather than a test. The
// caller removes it, by [RemoveName].
func NewImage(ctx context.Context, cli *client.Client, base string, files []File, changes ...string) (string, error) {
	return derive(ctx, cli, base, files, changes)
}

// derive makes the image from a container that is never started.
func derive(ctx context.Context, cli *client.Client, base string, files []File, changes []string) (name string, err error) {
	labels, err := Labels("derived")
	if err != nil {
		return "", err
	}
	created, err := cli.ContainerCreate(ctx, &container.Config{Image: base, Labels: labels}, nil, nil, nil, UniqueName("derived"))
	if err != nil {
		return "", fmt.Errorf("cannot derive an image from %s: %w", base, err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removalTime)
		defer cancel()
		err = errors.Join(err, removeContainer(ctx, cli, created.ID))
	}()
	if len(files) > 0 {
		if err := putFiles(ctx, cli, created.ID, files); err != nil {
			return "", fmt.Errorf("cannot derive an image from %s: %w", base, err)
		}
	}
	name = derivedRepo + ":" + randomHex()
	if _, err := cli.ContainerCommit(ctx, created.ID, container.CommitOptions{Reference: name, Changes: changes}); err != nil {
		return "", fmt.Errorf("cannot derive an image from %s: %w", base, err)
	}
	return name, nil
}

// Untag takes a name from an image, and the image with its last name.
func Untag(t testing.TB, cli *client.Client, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), removalTime)
	defer cancel()
	if err := removeImage(ctx, cli, name); err != nil {
		t.Errorf("cannot remove the name %s: %v", name, err)
	}
}
