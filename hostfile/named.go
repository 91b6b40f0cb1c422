package hostfile

import (
	"os"

	"golang.org/x/sys/unix"
)

// null is the number of /dev/null, which stands for an empty file.
var null = unix.Mkdev(1, 3)

// OpenNamed opens a regular file named by the host's admin or by the Runner. The name may
// be a link's, or /dev/null. OpenNamed refuses pipes and other devices before opening them.
func OpenNamed(name string) (*os.File, error) {
	fd, err := retried(func() (int, error) { return unix.Open(name, unix.O_PATH|unix.O_CLOEXEC, 0) })
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, &os.PathError{Op: "stat", Path: name, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG && (st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != null) {
		return nil, refused(name, "is no regular file")
	}
	opened, err := reopen(fd, unix.O_RDONLY)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(opened), name), nil
}

// OpenNamedDir opens a directory made and named by the Runner, or by a test of the Runner.
// OpenNamedDir does not judge the directory.
func OpenNamedDir(name string) (*Dir, error) {
	fd, err := retried(func() (int, error) {
		return unix.Open(name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	d := &Dir{fd: fd, path: name}
	uid, _, err := d.Owner()
	if err != nil {
		d.Close()
		return nil, err
	}
	d.owner = uint32(uid)
	return d, nil
}

// ReadNamed reads a file opened as by OpenNamed. A file with more than most bytes is a
// fault.
func ReadNamed(name string, most int64) ([]byte, error) {
	f, err := OpenNamed(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAtMost(f, most)
}
