package hostfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"gitlab-dind-executor/fault"
)

// owners are the users to whom a file may belong.
type owners int

const (
	// anybody: the reader does not believe the content anyway.
	anybody owners = iota
	// trusted: this process's user, root, or the owner of the directory.
	trusted
)

// ErrRefused says: the package refuses to open a planted file.
var ErrRefused = errors.New("it is not opened")

// refused names the thing found in the place of a file.
func refused(name, what string) error {
	return fault.System(fmt.Errorf("%s %s: %w", name, what, ErrRefused), "find out who has put it there, and take it away")
}

// regular takes a handle of a regular file with one name.
func (d *Dir) regular(name string, whose owners) (int, unix.Stat_t, error) {
	var st unix.Stat_t
	fd, err := handle(d.fd, name)
	full := filepath.Join(d.path, name)
	switch {
	case errors.Is(err, unix.ELOOP):
		return -1, st, refused(full, "is a link, or lies behind one")
	case errors.Is(err, unix.EXDEV):
		return -1, st, refused(full, "lies in another mount")
	case err != nil:
		return -1, st, d.fault("open", name, err)
	}
	if err := unix.Fstat(fd, &st); err != nil {
		_ = unix.Close(fd)
		return -1, st, d.fault("stat", name, err)
	}
	if what := d.wrong(st, whose); what != "" {
		_ = unix.Close(fd)
		return -1, st, refused(full, what)
	}
	return fd, st, nil
}

// wrong says why a file must not be opened, or returns "".
func (d *Dir) wrong(st unix.Stat_t, whose owners) string {
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return "is no regular file"
	case st.Nlink > 1:
		return "has other names (hard links)"
	case st.Nlink == 0:
		return "has lost its name"
	case whose == trusted && st.Uid != 0 && st.Uid != uint32(os.Geteuid()) && st.Uid != d.owner:
		return fmt.Sprintf("belongs to user %d", st.Uid)
	}
	return ""
}

// Read reads a regular file of at most the given bytes, written by anybody. Anything else
// of this name is ErrRefused, and a longer file is a fault.
func (d *Dir) Read(name string, most int64) ([]byte, error) {
	return d.read(name, most, anybody)
}

// ReadOwn is Read for a file of this process's user, root, or the owner of the directory. A
// file of another user is ErrRefused.
func (d *Dir) ReadOwn(name string, most int64) ([]byte, error) {
	return d.read(name, most, trusted)
}

func (d *Dir) read(name string, most int64, whose owners) ([]byte, error) {
	f, err := d.open(name, whose)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAtMost(f, most)
}

func readAtMost(f *os.File, most int64) ([]byte, error) {
	if info, err := f.Stat(); err != nil {
		return nil, err
	} else if info.Size() > most { // too long: no need to read any of this
		return nil, tooLarge(f.Name(), most)
	}
	content, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(content)) > most {
		err = tooLarge(f.Name(), most)
	}
	return content, err
}

func tooLarge(name string, most int64) error {
	return fault.System(fmt.Errorf("%s has more than %d bytes", name, most), "this is not the file that was meant")
}

// OpenOwn opens a regular file for reading. The file must belong to this process's user,
// root, or the owner of the directory; else the error is ErrRefused.
func (d *Dir) OpenOwn(name string) (*os.File, error) { return d.open(name, trusted) }

func (d *Dir) open(name string, whose owners) (*os.File, error) {
	fd, _, err := d.regular(name, whose)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return d.reopened(fd, name, unix.O_RDONLY)
}

func (d *Dir) reopened(handle int, name string, flags int) (*os.File, error) {
	fd, err := reopen(handle, flags)
	if err != nil {
		return nil, d.fault("open", name, err)
	}
	return os.NewFile(uintptr(fd), filepath.Join(d.path, name)), nil
}

// createTries bounds the attempts to open a file while others make and remove the same
// name.
const createTries = 16

// Append opens a file to append to, and makes a missing file for its owner alone. Root
// gives a new file to the directory's owner. Anything but a regular file of a trusted user
// is ErrRefused. name must be without a slash.
func (d *Dir) Append(name string) (*os.File, error) {
	if filepath.Base(name) != name {
		return nil, d.fault("open", name, unix.EXDEV)
	}
	var f *os.File
	err := error(unix.EAGAIN)
	for range createTries {
		var fd int
		fd, _, err = d.regular(name, trusted)
		if err == nil {
			defer unix.Close(fd)
			return d.reopened(fd, name, unix.O_WRONLY|unix.O_APPEND)
		}
		if !errors.Is(err, unix.ENOENT) {
			return nil, err
		}
		f, err = create(d.fd, name, filepath.Join(d.path, name), unix.O_WRONLY|unix.O_APPEND)
		if err == nil {
			if err = d.give(f); err != nil {
				f.Close()
				_ = d.Remove(name) // its owner makes the next
				return nil, err
			}
			return f, nil
		}
		if !errors.Is(err, unix.EEXIST) {
			return nil, d.fault("create", name, err)
		}
	}
	return nil, d.fault("open", name, err)
}

// IsNamed tells whether a file still has its name in the directory.
func (d *Dir) IsNamed(f *os.File, name string) (bool, error) {
	has, err := f.Stat()
	if err != nil {
		return false, err
	}
	fd, _, err := d.regular(name, anybody)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	named := os.NewFile(uintptr(fd), name)
	defer named.Close()
	is, err := named.Stat()
	return err == nil && os.SameFile(has, is), err
}
