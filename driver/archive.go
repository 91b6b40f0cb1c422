package driver

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"gitlab-dind-executor/driver/engine"
)

// file is put into a container before it starts.
type file struct {
	path    string
	mode    int64
	content []byte
	// uid owns the file, and the directories above it that are made for it
	// alone.
	uid int
}

// putFiles copies files into a container that need not run. Directories that
// are missing are made with mode 0755.
func (d *Driver) putFiles(ctx context.Context, id string, files []file) error {
	if len(files) == 0 {
		return nil
	}
	content, err := archive(files)
	if err != nil {
		return fmt.Errorf("packing files for a container: %w", err)
	}
	return d.eng.Explain("copying files into a container",
		d.eng.CopyTo(ctx, id, "/", bytes.NewReader(content), false))
}

// archive packs files and the directories above them.
func archive(files []file) ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	made, now := map[string]bool{}, time.Now()
	for _, f := range files {
		for _, dir := range parents(f.path) {
			if made[dir] {
				continue
			}
			made[dir] = true
			if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir[1:] + "/", Mode: 0o755, Uid: f.uid, Gid: f.uid, ModTime: now}); err != nil {
				return nil, err
			}
		}
		if err := w.WriteHeader(&tar.Header{Name: f.path[1:], Mode: f.mode, Size: int64(len(f.content)), Uid: f.uid, Gid: f.uid, ModTime: now}); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return buf.Bytes(), err
}

// parents returns the directories above p, outermost first, without the first
// level: /etc and its like are the image's own and keep their modes.
func parents(p string) []string {
	var dirs []string
	for dir := path.Dir(p); strings.Count(dir, "/") > 1; dir = path.Dir(dir) {
		dirs = append(dirs, dir)
	}
	slices.Reverse(dirs)
	return dirs
}

// maxConfigFile bounds what is read out of an image.
const maxConfigFile = 1 << 20

// readFile reads a regular file out of a container that need not run; nil if
// there is none.
func (d *Driver) readFile(ctx context.Context, id, name string) ([]byte, error) {
	files, err := d.readFiles(ctx, id, name)
	if engine.Gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	content, ok := files[path.Base(name)]
	if !ok {
		return nil, fmt.Errorf("reading %s of a container: no regular file", name)
	}
	return content, nil
}

// maxFiles bounds how many are read out of one directory.
const maxFiles = 16

// readFiles reads a regular file, or those of a directory, out of a container
// that need not run. The keys are paths below the parent of name.
func (d *Driver) readFiles(ctx context.Context, id, name string) (map[string][]byte, error) {
	stream, err := d.eng.CopyFrom(ctx, id, name)
	if err != nil {
		return nil, d.eng.Explain("reading "+name+" of a container", err)
	}
	defer stream.Close()
	files := map[string][]byte{}
	r := tar.NewReader(stream)
	for range maxFiles {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s of a container: %w", name, err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if files[path.Clean(h.Name)], err = io.ReadAll(io.LimitReader(r, maxConfigFile)); err != nil {
			return nil, fmt.Errorf("reading %s of a container: %w", name, err)
		}
	}
	return files, nil
}
