package engine

import (
	"context"
	"io"
	"time"

	"github.com/docker/docker/api/types/container"
)

// CopyTo unpacks an archive below a directory of a container that need not run.
// owners keeps the owners that the archive names.
func (e *Engine) CopyTo(ctx context.Context, id, dir string, archive io.Reader, owners bool) error {
	return e.api.CopyToContainer(ctx, id, dir, archive, container.CopyToContainerOptions{CopyUIDGID: owners})
}

// CopyFrom packs a file or a directory of a container that need not run.
func (e *Engine) CopyFrom(ctx context.Context, id, path string) (io.ReadCloser, error) {
	stream, _, err := e.api.CopyFromContainer(ctx, id, path)
	return stream, err
}

// FileState is what is known of a file without reading it.
type FileState struct {
	Size     int64
	Modified time.Time
}

// Stat looks at a file of a container that need not run.
func (e *Engine) Stat(ctx context.Context, id, path string) (FileState, error) {
	s, err := e.api.ContainerStatPath(ctx, id, path)
	return FileState{s.Size, s.Mtime}, err
}
