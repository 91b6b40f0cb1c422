package rig

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"golang.org/x/sys/unix"
)

// File is a file to be put into a container, owned by root. It is a regular file
// unless Device says otherwise.
type File struct {
	Path    string      // absolute, in the container
	Mode    fs.FileMode // permission bits; 0 means 0644
	Content string
	Device  uint64 // the number of a block device, for a node of it
}

// putFiles copies files into a container, running or not. Missing directories
// are made, with mode 0755. Under a VOLUME they land in the volume.
func putFiles(ctx context.Context, cli *client.Client, id string, files []File) error {
	archive, err := archiveOf(files)
	if err != nil {
		return err
	}
	if err := cli.CopyToContainer(ctx, id, "/", archive, container.CopyToContainerOptions{}); err != nil {
		return fmt.Errorf("cannot copy files into the container: %w", err)
	}
	return nil
}

// archiveOf returns a tar archive of the files with paths relative to "/".
func archiveOf(files []File) (*bytes.Buffer, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, file := range files {
		if !path.IsAbs(file.Path) {
			return nil, fmt.Errorf("file %q for the container has no absolute path", file.Path)
		}
		mode := file.Mode.Perm()
		if mode == 0 {
			mode = 0o644
		}
		header := &tar.Header{
			Typeflag: tar.TypeReg,
			Name:     strings.TrimPrefix(path.Clean(file.Path), "/"),
			Mode:     int64(mode),
			Size:     int64(len(file.Content)),
		}
		if file.Device != 0 {
			header.Typeflag, header.Size = tar.TypeBlock, 0
			header.Devmajor, header.Devminor = int64(unix.Major(file.Device)), int64(unix.Minor(file.Device))
		}
		if err := w.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("cannot pack %s: %w", file.Path, err)
		}
		if _, err := w.Write([]byte(file.Content[:header.Size])); err != nil {
			return nil, fmt.Errorf("cannot pack %s: %w", file.Path, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("cannot pack the files: %w", err)
	}
	return &buf, nil
}
