package forge

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"gitlab-dind-executor/fault"
)

const (
	// maxDirectory bounds an archive's list of entries, in bytes: all of it is held in
	// memory. That is some hundred thousand of them.
	maxDirectory = 32 << 20
	// maxArtifacts bounds what the artifacts of one job come to, in bytes.
	maxArtifacts = 16 << 30
)

// Unpack writes the plain files of a job's artifacts below a folder that is empty,
// and tells how many entries are none and were left out. A job has made the archive:
// nothing in it is followed, and nothing gets out of the folder.
func (s *Server) Unpack(ctx context.Context, job int64, to *os.Root) (left int, err error) {
	f, err := os.Open(s.archive(job))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	from := &bounded{ReaderAt: f, rest: maxDirectory}
	archive, err := zip.NewReader(from, info.Size())
	if err != nil {
		return 0, fault.Job(fmt.Errorf("the archive cannot be read: %w", err), "")
	}
	from.rest = -1
	rest := int64(maxArtifacts)
	for _, entry := range archive.File {
		if ctx.Err() != nil {
			return left, ctx.Err()
		}
		n, err := unpack(ctx, entry, to, rest)
		switch rest -= n; {
		case errors.Is(err, errLeft):
			left++
		case err != nil:
			return left, err
		}
	}
	return left, nil
}

// errLeft is of an entry that is left out.
var errLeft = errors.New("left out")

// unpack writes one entry, of at most so many bytes.
func unpack(ctx context.Context, entry *zip.File, to *os.Root, rest int64) (int64, error) {
	name, mode := filepath.FromSlash(strings.TrimSuffix(entry.Name, "/")), entry.Mode()
	if !filepath.IsLocal(name) || strings.ContainsAny(entry.Name, "\\\x00") {
		return 0, errLeft
	}
	name = filepath.Clean(name)
	switch {
	case mode.IsDir():
		return 0, leftOut(to.MkdirAll(name, 0o755))
	case !mode.IsRegular():
		return 0, errLeft
	}
	if err := to.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return 0, leftOut(err)
	}
	content, err := entry.Open()
	if err != nil {
		return 0, errLeft // a way of packing that is not known
	}
	defer content.Close()
	perm := fs.FileMode(0o644) | mode&0o111
	// What is there is of the same archive, and the first counts.
	f, err := to.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return 0, leftOut(err)
	}
	n, err := io.Copy(f, io.LimitReader(untilDone{ctx, content}, rest+1))
	if err = errors.Join(err, f.Close()); err == nil && n > rest {
		err = fault.Job(errors.New("the artifacts are larger than 16 GiB"), "")
	}
	return n, err
}

// leftOut tells a fault of the archive's names, which leaves an entry out, from one of
// this host.
func leftOut(err error) error {
	for _, of := range []error{fs.ErrExist, syscall.ENOTDIR, syscall.EISDIR, syscall.ENAMETOOLONG, syscall.EINVAL, syscall.ELOOP} {
		if errors.Is(err, of) {
			return errLeft
		}
	}
	return err
}

// bounded reads so many bytes and no more; -1 is no bound.
type bounded struct {
	io.ReaderAt
	rest int64
}

// ReadAt reads within the bound.
func (b *bounded) ReadAt(p []byte, at int64) (int, error) {
	if b.rest >= 0 {
		if b.rest -= int64(len(p)); b.rest < 0 {
			return 0, errors.New("its list of entries is too long")
		}
	}
	return b.ReaderAt.ReadAt(p, at)
}

// untilDone reads until a context ends.
type untilDone struct {
	ctx context.Context
	io.Reader
}

// Read reads what comes next.
func (u untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := u.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fault.Job(fmt.Errorf("the archive is damaged: %w", err), "")
	}
	return n, err
}
