package engine

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
)

// File is a file to put into a container before its start.
type File struct {
	Path    string
	Mode    int64
	Content []byte
	// UID owns the file, and the directories made for it alone.
	UID int
}

// PutFiles copies files into a container, running or not. Missing directories are made with mode
// 0755.
func (e *Engine) PutFiles(ctx context.Context, id string, files []File) error {
	if len(files) == 0 {
		return nil
	}
	content, err := Archive(files)
	if err != nil {
		return fmt.Errorf("packing files for a container: %w", err)
	}
	return e.Explain("copying files into a container",
		e.CopyTo(ctx, id, "/", bytes.NewReader(content), false))
}

// Archive packs files and their directories as a tar archive.
func Archive(files []File) ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	made, now := map[string]bool{}, time.Now()
	for _, f := range files {
		for _, dir := range Parents(f.Path) {
			if made[dir] {
				continue
			}
			made[dir] = true
			if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir[1:] + "/", Mode: 0o755, Uid: f.UID, Gid: f.UID, ModTime: now}); err != nil {
				return nil, err
			}
		}
		if err := w.WriteHeader(&tar.Header{Name: f.Path[1:], Mode: f.Mode, Size: int64(len(f.Content)), Uid: f.UID, Gid: f.UID, ModTime: now}); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.Content); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return buf.Bytes(), err
}

// Parents returns the directories above p, outermost first, without the first level: /etc and its
// like belong to the image and keep their modes.
func Parents(p string) []string {
	var dirs []string
	for dir := path.Dir(p); strings.Count(dir, "/") > 1; dir = path.Dir(dir) {
		dirs = append(dirs, dir)
	}
	slices.Reverse(dirs)
	return dirs
}

// MaxConfigFile bounds a file read out of a container, in bytes.
const MaxConfigFile = 1 << 20

// ReadFile reads a regular file out of a container, running or not; nil if there is none.
func (e *Engine) ReadFile(ctx context.Context, id, name string) ([]byte, error) {
	files, err := e.ReadFiles(ctx, id, name)
	if Gone(err) {
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

// maxFiles bounds the number of entries read out of a directory.
const maxFiles = 16

// ReadFiles reads a regular file, or the files of a directory, out of a container, running or
// not. The keys are paths below the parent of name. At most maxFiles entries are read, and
// MaxConfigFile bytes of each file.
func (e *Engine) ReadFiles(ctx context.Context, id, name string) (map[string][]byte, error) {
	stream, err := e.CopyFrom(ctx, id, name)
	if err != nil {
		return nil, e.Explain("reading "+name+" of a container", err)
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
		if files[path.Clean(h.Name)], err = io.ReadAll(io.LimitReader(r, MaxConfigFile)); err != nil {
			return nil, fmt.Errorf("reading %s of a container: %w", name, err)
		}
	}
	return files, nil
}
