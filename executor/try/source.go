package try

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"gitlab-dind-executor/executor/forge"
	"gitlab-dind-executor/fault"
)

// fromInput stands for a pipeline on stdin. defaultFile is the file's name in the
// repository then, as in GitLab.
const (
	fromInput   = "-"
	defaultFile = ".gitlab-ci.yml"
)

// maxInput is more than a pipeline may have, in bytes.
const maxInput = 2 << 20

// source is the origin of a pipeline: a file of a repository, or a text in the place of a
// file.
type source struct {
	repository forge.Repository
	// name is the file's path in the repository.
	name string
	// text is nil for a file of the repository.
	text []byte
}

// sourceOf finds the repository of a file, and the file's name there. A file outside any
// repository, such as GitLab's merged YAML, belongs to the current folder's repository.
func sourceOf(ctx context.Context, file string, stdin io.Reader) (s source, err error) {
	s.name = defaultFile
	if file == fromInput {
		if s.text, err = io.ReadAll(io.LimitReader(stdin, maxInput)); err == nil {
			s.repository, err = forge.Find(ctx, ".")
		}
		return s, err
	}
	path, err := filepath.Abs(file)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return s, fault.Job(fmt.Errorf("the pipeline: %w", err), "name its file with --file")
	}
	var here error
	if s.repository, err = forge.Find(ctx, filepath.Dir(path)); err != nil {
		if s.repository, here = forge.Find(ctx, "."); here != nil {
			return s, err // the error names the file's folder, as the user meant
		}
	}
	name, err := filepath.Rel(s.repository.Top, path)
	if err == nil && filepath.IsLocal(name) {
		s.name = filepath.ToSlash(name)
		return s, nil
	}
	s.text, err = readOutside(path)
	return s, err
}

// readOutside reads a file outside any repository.
func readOutside(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a file")
	}
	if err == nil && info.Size() > maxInput {
		err = fmt.Errorf("it has %d bytes, more than %d", info.Size(), maxInput)
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fault.Job(fmt.Errorf("reading %s: %w", path, err), "name a file with --file, or - for stdin")
	}
	return text, nil
}

// over lays the text, if any, over a tree.
func (s source) over(tree fs.FS) fs.FS {
	if s.text == nil {
		return tree
	}
	return overlay{tree, s.name, s.text}
}

// overlay is a tree with a file replaced.
type overlay struct {
	fs.FS
	name string
	text []byte
}

// Open opens the replacement, or a file of the tree.
func (o overlay) Open(name string) (fs.File, error) {
	if name != o.name {
		return o.FS.Open(name)
	}
	return &inMemory{bytes.NewReader(o.text), o}, nil
}

// Lstat describes the replacement, or a file of the tree, without following a link.
func (o overlay) Lstat(name string) (fs.FileInfo, error) {
	if name != o.name {
		return fs.Lstat(o.FS, name)
	}
	return o, nil
}

// ReadLink returns the target of a link of the tree.
func (o overlay) ReadLink(name string) (string, error) { return fs.ReadLink(o.FS, name) }

// inMemory is the file of an overlay.
type inMemory struct {
	*bytes.Reader
	of overlay
}

// Stat describes the file.
func (f *inMemory) Stat() (fs.FileInfo, error) { return f.of, nil }

// Close does nothing.
func (f *inMemory) Close() error { return nil }

// Name, Size, Mode, ModTime, IsDir and Sys describe the file of an overlay.
func (o overlay) Name() string       { return filepath.Base(o.name) }
func (o overlay) Size() int64        { return int64(len(o.text)) }
func (o overlay) Mode() fs.FileMode  { return 0o600 }
func (o overlay) ModTime() time.Time { return time.Time{} }
func (o overlay) IsDir() bool        { return false }
func (o overlay) Sys() any           { return nil }
