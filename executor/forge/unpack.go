package forge

import (
	"archive/tar"
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"gitlab-dind-executor/fault"
)

const (
	// maxDirectory bounds an archive's list of entries, in bytes, since memory holds the
	// whole list. Some hundred thousand entries fit.
	maxDirectory = 32 << 20
	// maxEntries bounds the number of files and folders made on the host.
	maxEntries = 500_000
	// maxArtifacts bounds the unpacked artifacts of a job, in bytes.
	maxArtifacts = 16 << 30
	// maxPath is longer than any path that a program could open, in bytes.
	maxPath = 4096
)

// Unpack writes the plain files of a job's artifacts below an empty folder. left counts the
// other entries, which are left out. A job has made the archive, so Unpack follows no link
// and writes nothing outside the folder. The archive is a zip, as GitLab's helper makes it,
// or a tar, as simpler helpers do.
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
	u := &unpacking{ctx: ctx, to: to, rest: maxArtifacts, made: map[uint64]bool{}, seed: maphash.MakeSeed()}
	begin := make([]byte, 2)
	if _, short := f.ReadAt(begin, 0); short == nil && string(begin) == "PK" {
		err = u.zip(f, info.Size())
	} else {
		err = u.tar(f)
	}
	return u.left, err
}

// unpacking is an archive on its way into a folder.
type unpacking struct {
	ctx context.Context
	to  *os.Root
	// rest is the number of bytes that may still come. seen counts entries and folders,
	// left the entries left out.
	rest       int64
	seen, left int
	// made holds the folders made, by a hash that the archive cannot predict.
	made map[uint64]bool
	seed maphash.Seed
}

// zip unpacks a zip.
func (u *unpacking) zip(f io.ReaderAt, size int64) error {
	from := &bounded{ReaderAt: f, rest: maxDirectory}
	archive, err := zip.NewReader(from, size)
	if err != nil {
		return fault.Job(fmt.Errorf("the archive cannot be read: %w", err), "")
	}
	from.rest = -1
	for _, entry := range archive.File {
		if err := u.entry(entry.Name, entry.Mode(), entry.Open); err != nil {
			return err
		}
	}
	return nil
}

// tar unpacks a tar.
func (u *unpacking) tar(f io.Reader) error {
	archive := tar.NewReader(untilDone{u.ctx, f})
	for {
		h, err := archive.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fault.Job(fmt.Errorf("the archive cannot be read: %w", err), "")
		}
		mode := fs.FileMode(h.Mode).Perm()
		switch h.Typeflag {
		case tar.TypeReg:
		case tar.TypeDir:
			mode |= fs.ModeDir
		default: // a hard link, too, is a link
			mode |= fs.ModeIrregular
		}
		err = u.entry(h.Name, mode, func() (io.ReadCloser, error) { return io.NopCloser(archive), nil })
		if err != nil {
			return err
		}
	}
}

// entry writes an entry, or counts it as left out.
func (u *unpacking) entry(name string, mode fs.FileMode, open func() (io.ReadCloser, error)) error {
	if u.ctx.Err() != nil {
		return u.ctx.Err()
	}
	if err := u.count(); err != nil {
		return err
	}
	err := u.write(name, mode, open)
	if errors.Is(err, errLeft) {
		u.left++
		return nil
	}
	return err
}

// count bounds the number of files and folders.
func (u *unpacking) count() error {
	if u.seen++; u.seen > maxEntries {
		return fault.Job(fmt.Errorf("the artifacts have more than %d files and folders", maxEntries), "")
	}
	return nil
}

// folder makes a folder and its parents.
func (u *unpacking) folder(name string) error {
	for above := name; above != "."; above = filepath.Dir(above) {
		key := maphash.String(u.seed, above)
		if u.made[key] {
			break
		}
		u.made[key] = true
		if err := u.count(); err != nil {
			return err
		}
	}
	return leftOut(u.to.MkdirAll(name, 0o755))
}

// errLeft marks an entry that is left out.
var errLeft = errors.New("left out")

func (u *unpacking) write(entry string, mode fs.FileMode, open func() (io.ReadCloser, error)) error {
	name := filepath.FromSlash(strings.TrimSuffix(entry, "/"))
	if !filepath.IsLocal(name) || strings.ContainsAny(entry, "\\\x00") || len(entry) > maxPath {
		return errLeft
	}
	name = filepath.Clean(name)
	switch {
	case mode.IsDir():
		return u.folder(name)
	case !mode.IsRegular():
		return errLeft
	}
	if err := u.folder(filepath.Dir(name)); err != nil {
		return err
	}
	content, err := open()
	if err != nil {
		return errLeft // an unknown way of packing
	}
	defer content.Close()
	// An existing file is from the same archive, and the first counts.
	f, err := u.to.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644|mode&0o111)
	if err != nil {
		return leftOut(err)
	}
	n, err := io.Copy(f, io.LimitReader(untilDone{u.ctx, content}, u.rest+1))
	if err = errors.Join(err, f.Close()); err == nil && n > u.rest {
		err = fault.Job(errors.New("the artifacts are larger than 16 GB"), "")
	}
	u.rest -= n
	return err
}

// leftOut tells a fault of the archive's names from a fault of this host. A fault of the
// names leaves the entry out.
func leftOut(err error) error {
	for _, of := range []error{fs.ErrExist, syscall.ENOTDIR, syscall.EISDIR, syscall.ENAMETOOLONG, syscall.EINVAL, syscall.ELOOP} {
		if errors.Is(err, of) {
			return errLeft
		}
	}
	return err
}

// bounded reads at most rest bytes; -1 is no bound.
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

// Read reads the next bytes.
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
