package engine

import (
	"context"
	"io"
	"time"

	"github.com/docker/docker/api/types/container"
)

// CopyTo unpacks an archive below a directory of a container, running or not. With owners the
// files keep the archive's owners.
func (e *Engine) CopyTo(ctx context.Context, id, dir string, archive io.Reader, owners bool) error {
	return e.api.CopyToContainer(ctx, id, dir, archive, container.CopyToContainerOptions{CopyUIDGID: owners})
}

// CopyFrom packs a file or a directory of a container, running or not.
func (e *Engine) CopyFrom(ctx context.Context, id, path string) (io.ReadCloser, error) {
	stream, _, err := e.api.CopyFromContainer(ctx, id, path)
	return stream, err
}

// FileState is a file's metadata. Size is in bytes.
type FileState struct {
	Size     int64
	Modified time.Time
}

// Stat reads the metadata of a file in a container, running or not.
func (e *Engine) Stat(ctx context.Context, id, path string) (FileState, error) {
	s, err := e.api.ContainerStatPath(ctx, id, path)
	return FileState{s.Size, s.Mtime}, err
}
