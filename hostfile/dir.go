package hostfile

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Dir is an open directory. Its methods take names of files in the directory or deeper. A
// name leads neither through links nor into other mounts.
type Dir struct {
	fd   int
	path string
	// owner is the directory's user.
	owner uint32
}

// Close closes the directory.
func (d *Dir) Close() error { return unix.Close(d.fd) }

// Path returns the absolute form of the name by which the directory was opened.
func (d *Dir) Path() string { return d.path }

// readable opens the directory itself.
func (d *Dir) readable() (*os.File, error) {
	fd, err := retried(func() (int, error) {
		return unix.Openat(d.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, d.fault("open", ".", err)
	}
	return os.NewFile(uintptr(fd), d.path), nil
}

// Owner returns the directory's user and group.
func (d *Dir) Owner() (uid, gid int, err error) {
	var st unix.Stat_t
	err = d.fault("stat", ".", unix.Fstat(d.fd, &st))
	return int(st.Uid), int(st.Gid), err
}

// fault adds the file's name to the error of a system call.
func (d *Dir) fault(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: filepath.Join(d.path, name), Err: err}
}

// parent opens the directory above a name, and returns the last part of the name.
func (d *Dir) parent(name string) (fd int, base string, leave func(), err error) {
	if !local(name) || name == "." {
		return -1, "", nil, d.fault("open", name, unix.EXDEV)
	}
	if path.Dir(name) == "." {
		return d.fd, name, func() {}, nil
	}
	fd, err = handle(d.fd, path.Dir(name))
	if err != nil {
		return -1, "", nil, d.fault("open", path.Dir(name), err)
	}
	return fd, path.Base(name), func() { _ = unix.Close(fd) }, nil
}

// Write gives a file this content and mode, as a whole or not at all. A former file of this
// name is not opened: the new file takes its name.
func (d *Dir) Write(name string, content []byte, mode fs.FileMode) error {
	return d.write(name, content, mode, func(*os.File) error { return nil })
}

// WriteFor is Write for a file of the directory's owner. Only root can give a file away.
func (d *Dir) WriteFor(name string, content []byte, mode fs.FileMode) error {
	return d.write(name, content, mode, d.give)
}

// Replace is Write for an existing regular file. The new file has the old mode and owner,
// and reaches the disk before it takes the name.
func (d *Dir) Replace(name string, content []byte) error {
	fd, st, err := d.regular(name, anybody)
	if err != nil {
		return err
	}
	_ = unix.Close(fd)
	return d.write(name, content, fs.FileMode(st.Mode).Perm(), func(f *os.File) error {
		return errors.Join(f.Chown(int(st.Uid), int(st.Gid)), f.Sync())
	})
}

// write lets dress change the new file before the file gets its name.
func (d *Dir) write(name string, content []byte, mode fs.FileMode, dress func(*os.File) error) (err error) {
	at, base, leave, err := d.parent(name)
	if err != nil {
		return err
	}
	defer leave()
	fresh := ".dind-" + rand.Text()
	f, err := create(at, fresh, path.Join(d.path, path.Dir(name), fresh), unix.O_WRONLY)
	if err != nil {
		return d.fault("create", name, err)
	}
	defer func() {
		if err != nil {
			_ = unix.Unlinkat(at, fresh, 0) // the first error counts
		}
	}()
	_, err = f.Write(content)
	if err == nil {
		err = f.Chmod(mode.Perm())
	}
	if err == nil {
		err = dress(f)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return d.fault("rename", name, unix.Renameat(at, fresh, at, base))
}

// create makes a new file, for its owner alone, and fails where the name is taken.
func create(dir int, name, full string, flags int) (*os.File, error) {
	fd, err := retried(func() (int, error) {
		return unix.Openat(dir, name, flags|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), full), nil
}

// give hands a file made by root over to the directory's owner.
func (d *Dir) give(f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	uid, gid, err := d.Owner()
	if err != nil || uid == 0 {
		return err
	}
	return f.Chown(uid, gid)
}

// Remove takes a name away unless the name is a directory's. A missing name is no error.
func (d *Dir) Remove(name string) error {
	at, base, leave, err := d.parent(name)
	if err != nil {
		return err
	}
	defer leave()
	if err := unix.Unlinkat(at, base, 0); !errors.Is(err, unix.ENOENT) {
		return d.fault("remove", name, err)
	}
	return nil
}

// Rename gives a file another name in the same directory, and replaces a file with that
// name.
func (d *Dir) Rename(from, to string) error {
	if !local(from) || !local(to) || path.Base(from) != from || path.Base(to) != to {
		return d.fault("rename", from, unix.EXDEV)
	}
	return d.fault("rename", from, unix.Renameat(d.fd, from, d.fd, to))
}

// Modified returns the time of a regular file's last change.
func (d *Dir) Modified(name string) (time.Time, error) {
	fd, st, err := d.regular(name, anybody)
	if err != nil {
		return time.Time{}, err
	}
	_ = unix.Close(fd)
	return time.Unix(st.Mtim.Unix()), nil
}

// Names returns up to the given number of names in the directory, in no order.
func (d *Dir) Names(most int) ([]string, error) {
	f, err := d.readable()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(most)
	if err != nil && len(names) == 0 && errors.Is(err, io.EOF) {
		return nil, nil
	}
	return names, err
}
