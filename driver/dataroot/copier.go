package dataroot

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

type inode struct {
	major, minor uint32
	ino          uint64
}

// copier makes the entries of a copy, in a directory that nobody else knows.
type copier struct {
	content contentCopier
	// open are directories of the copy, from its root down to the place of the walk.
	open []*dir
	// links has the first path met of each file with several names.
	links map[inode]string
	// names are further names of files, and dirs the directories with their looks. Both come
	// last, dirs in reverse: each new entry changes the times of its directory.
	names []name
	dirs  []clothed
}

// name is a further name, is, for the file already named of.
type name struct{ is, of string }

// clothed is a directory, and the looks that it will get.
type clothed struct {
	path string
	looks
}

// looks are owner, mode, times and extended attributes of an entry.
type looks struct {
	stat       unix.Statx_t
	attributes []attribute
}

// attribute is an extended attribute: file capabilities, or overlayfs's note that a directory
// hides those below.
type attribute struct {
	name  string
	value []byte
}

// leave closes the directories of the copy deeper than depth.
func (c *copier) leave(depth int) {
	for len(c.open) > depth {
		c.open[len(c.open)-1].close()
		c.open = c.open[:len(c.open)-1]
	}
}

// copy makes an entry. behind gets a function that copies the content of a file.
func (c *copier) copy(ctx context.Context, e entry, behind func(func() error)) error {
	c.leave(e.depth + 1)
	to, last := c.open[e.depth], path.Base(e.path)
	id := inode{e.Dev_major, e.Dev_minor, e.Ino}
	if of, met := c.links[id]; met && !e.isDir() {
		c.names = append(c.names, name{is: e.path, of: of})
		return nil
	}
	as, err := e.looks()
	if err != nil {
		return fmt.Errorf("%s: %w", shown(e.path), err)
	}
	if e.isDir() {
		inner, err := to.mkdir(last)
		if err != nil {
			return fmt.Errorf("%s: %w", shown(e.path), err)
		}
		c.open = append(c.open, inner)
		c.dirs = append(c.dirs, clothed{path: e.path, looks: as})
		return nil
	}
	if e.Nlink > 1 {
		c.links[id] = e.path
	}
	if e.isRegular() {
		return c.file(ctx, e, to, last, as, behind)
	}
	if e.isLink() {
		err = unix.Symlinkat(e.link, to.fd, last)
	} else {
		err = unix.Mknodat(to.fd, last, uint32(e.Mode), int(unix.Mkdev(e.Rdev_major, e.Rdev_minor)))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", shown(e.path), err)
	}
	h, err := to.look(last)
	if err != nil {
		return err
	}
	defer h.close()
	return as.dress(h.fd, e.path)
}

// file makes a file. Source and copy are open before the walk goes on.
func (c *copier) file(ctx context.Context, e entry, to *dir, last string, as looks, behind func(func() error)) error {
	src, err := e.open()
	if err != nil {
		return fmt.Errorf("%s: %w", shown(e.path), err)
	}
	dst, err := to.create(last)
	if err != nil {
		return errors.Join(err, src.Close())
	}
	size, at := e.size(), e.path
	behind(func() error {
		defer src.Close()
		err := c.content(ctx, src, dst, size)
		if err == nil {
			err = as.dress(int(dst.Fd()), at)
		}
		return errors.Join(err, dst.Close())
	})
	return nil
}

// finish makes further names and dresses directories, after all other entries.
func (c *copier) finish() error {
	root := c.open[0]
	for _, n := range c.names {
		err := root.parent(n.of, func(from *dir, of string) error {
			return root.parent(n.is, func(to *dir, is string) error { return unix.Linkat(from.fd, of, to.fd, is, 0) })
		})
		if err != nil {
			return fmt.Errorf("%s: %w", shown(n.is), err)
		}
	}
	for i := len(c.dirs) - 1; i >= 0; i-- {
		d := c.dirs[i]
		err := root.parent(d.path, func(in *dir, last string) error {
			this, err := in.enter(last)
			if err != nil {
				return err
			}
			defer this.close()
			return d.dress(this.fd, d.path)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// parent calls do with the last name of a path and the directory that holds the name.
func (d *dir) parent(at string, do func(in *dir, last string) error) error {
	for {
		name, rest, more := strings.Cut(at, "/")
		if !more {
			return do(d, name)
		}
		inner, err := d.enter(name)
		if err != nil {
			return err
		}
		defer inner.close()
		d, at = inner, rest
	}
}

// looks reads owner, mode, times and extended attributes.
func (h *handle) looks() (looks, error) {
	l := looks{stat: h.Statx_t}
	list, err := h.attributes()
	if err != nil {
		return l, err
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		if name == "" || name == "security.selinux" {
			continue // the engine gives volumes their labels
		}
		n, err := unix.Getxattr(h.path(), name, nil)
		if err != nil {
			return l, err
		}
		value := make([]byte, n)
		if n, err = unix.Getxattr(h.path(), name, value); err != nil {
			return l, err
		}
		l.attributes = append(l.attributes, attribute{name, value[:n]})
	}
	return l, nil
}

// dress gives looks to the entry behind a descriptor.
func (l looks) dress(fd int, at string) error {
	path := (&handle{fd: fd}).path()
	err := unix.Fchownat(fd, "", int(l.stat.Uid), int(l.stat.Gid), unix.AT_EMPTY_PATH)
	for _, a := range l.attributes {
		if err == nil {
			err = unix.Setxattr(path, a.name, a.value, 0)
		}
	}
	if err == nil && l.stat.Mode&unix.S_IFMT != unix.S_IFLNK {
		err = unix.Chmod(path, uint32(l.stat.Mode)&0o7777)
	}
	if err == nil {
		times := []unix.Timespec{timespec(l.stat.Atime), timespec(l.stat.Mtime)}
		err = unix.UtimesNanoAt(unix.AT_FDCWD, path, times, 0)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", shown(at), err)
	}
	return nil
}

func timespec(t unix.StatxTimestamp) unix.Timespec {
	return unix.NsecToTimespec(t.Sec*1e9 + int64(t.Nsec))
}
