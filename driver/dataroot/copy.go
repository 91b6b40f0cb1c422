package dataroot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"gitlab-dind-executor/group"
)

// part is where a copy is until it is whole.
const part = Dir + ".part"

// workers copy contents side by side: most files are small.
const workers = 8

// ErrDamaged says that a seed is not what was sealed.
var ErrDamaged = errors.New("the seed is damaged")

// Copy copies the seed to a data root, all of it or nothing: what is there when
// it returns an error is what was there before.
func Copy(ctx context.Context, seed, to string) (err error) {
	want, err := os.ReadFile(filepath.Join(seed, Dir, sumFile))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	tmp := filepath.Join(to, part)
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	c := copier{to: tmp, links: map[inode]string{}}
	sum := sha256.New()
	g, gctx := group.WithContext(ctx)
	g.SetLimit(workers)
	err = walk(seed, func(e entry) error {
		if gctx.Err() != nil {
			return context.Cause(gctx)
		}
		if err := e.sum(sum); err != nil {
			return err
		}
		return c.copy(gctx, e, g.Go)
	})
	if err := errors.Join(g.Wait(), err); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != strings.TrimSpace(string(want)) {
		return ErrDamaged
	}
	if err := c.finish(); err != nil {
		return err
	}
	// What names the rest comes last, so that a daemon never misses any of it.
	for _, late := range []bool{false, true} {
		for _, top := range kept {
			if late != (top == "image") {
				continue
			}
			if err := os.Rename(filepath.Join(tmp, top), filepath.Join(to, top)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

type inode struct{ dev, ino uint64 }

type copier struct {
	to string
	// links are files with several names, by the first that was met.
	links map[inode]string
	// names are further names. They and, the last first, what directories look
	// like come last: times change with what is put into them.
	names, dirs []entry
}

func (c *copier) at(path string) string { return filepath.Join(c.to, path) }

// copy makes an entry, or lets behind do so.
func (c *copier) copy(ctx context.Context, e entry, behind func(func() error)) error {
	to := c.at(e.path)
	mode := e.info.Mode()
	switch {
	case mode.IsDir():
		c.dirs = append(c.dirs, e)
		return os.Mkdir(to, 0o700)
	case e.stat.Nlink > 1:
		id := inode{uint64(e.stat.Dev), e.stat.Ino}
		if _, met := c.links[id]; met {
			c.names = append(c.names, e)
			return nil
		}
		c.links[id] = e.path
	}
	switch {
	case mode.IsRegular():
		behind(func() error { return errors.Join(copyContent(ctx, e.from(), to, e.info.Size()), dress(e, to)) })
		return nil
	case mode&fs.ModeSymlink != 0:
		if err := os.Symlink(e.link, to); err != nil {
			return err
		}
	default:
		if err := unix.Mknod(to, e.stat.Mode, int(e.stat.Rdev)); err != nil {
			return fmt.Errorf("%s: %w", e.path, err)
		}
	}
	return dress(e, to)
}

// finish makes what must wait for the rest.
func (c *copier) finish() error {
	for _, e := range c.names {
		if err := os.Link(c.at(c.links[inode{uint64(e.stat.Dev), e.stat.Ino}]), c.at(e.path)); err != nil {
			return err
		}
	}
	for i := len(c.dirs) - 1; i >= 0; i-- {
		if err := dress(c.dirs[i], c.at(c.dirs[i].path)); err != nil {
			return err
		}
	}
	return nil
}

// piece is how much is copied between two looks at the context, in bytes.
const piece = 64 << 20

// copyContent copies a file's bytes, or lets the file system share them.
func copyContent(ctx context.Context, from, to string, size int64) error {
	src, err := os.OpenFile(from, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	var n int64
	for err == nil {
		if err = context.Cause(ctx); err == nil {
			var some int64
			some, err = io.CopyN(dst, src, piece) // by copy_file_range
			n += some
		}
	}
	if err == io.EOF {
		err = nil
	}
	if err == nil && n != size {
		err = ErrDamaged
	}
	return errors.Join(err, dst.Close())
}

// dress gives a copy the owner, attributes, mode and times of what it is of.
func dress(e entry, to string) error {
	if err := os.Lchown(to, int(e.stat.Uid), int(e.stat.Gid)); err != nil {
		return err
	}
	if err := copyAttributes(e.from(), to); err != nil {
		return fmt.Errorf("%s: %w", e.path, err)
	}
	if e.info.Mode()&fs.ModeSymlink == 0 {
		if err := syscall.Chmod(to, e.stat.Mode&0o7777); err != nil {
			return fmt.Errorf("%s: %w", e.path, err)
		}
	}
	times := []unix.Timespec{unix.Timespec(e.stat.Atim), unix.Timespec(e.stat.Mtim)}
	return unix.UtimesNanoAt(unix.AT_FDCWD, to, times, unix.AT_SYMLINK_NOFOLLOW)
}

// copyAttributes copies extended attributes: capabilities, and by which overlayfs
// knows a directory that hides those below.
func copyAttributes(from, to string) error {
	size, err := unix.Llistxattr(from, nil)
	if errors.Is(err, unix.ENOTSUP) || err == nil && size == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	list := make([]byte, size)
	if size, err = unix.Llistxattr(from, list); err != nil {
		return err
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list[:size]), "\x00"), "\x00") {
		if name == "security.selinux" {
			continue // the engine labels volumes
		}
		n, err := unix.Lgetxattr(from, name, nil)
		if err != nil {
			return err
		}
		value := make([]byte, n)
		if n, err = unix.Lgetxattr(from, name, value); err != nil {
			return err
		}
		if err := unix.Lsetxattr(to, name, value[:n], 0); err != nil {
			return err
		}
	}
	return nil
}
