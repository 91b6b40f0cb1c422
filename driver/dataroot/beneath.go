package dataroot

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// dir is an open directory. This package does all work on a data root through a dir and a single
// name inside. If somebody moves the directory meanwhile, the work moves along and lands nowhere
// else.
type dir struct {
	fd int
	// at is the path below the root, for messages.
	at string
}

// openRoot opens a directory at a path that this program has chosen.
func openRoot(path string) (*dir, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	return &dir{fd: fd}, nil
}

func (d *dir) close() { _ = unix.Close(d.fd) }

// show is an entry's path for messages, quoted because a name may hold any byte.
func (d *dir) show(name string) string { return shown(d.below(name)) }

// below is an entry's path below the root.
func (d *dir) below(name string) string {
	if d.at == "" {
		return name
	}
	return d.at + "/" + name
}

// shown quotes a path, shortened to about 180 bytes.
func shown(path string) string {
	if len(path) > 200 {
		path = path[:90] + "..." + path[len(path)-90:]
	}
	return strconv.QuoteToASCII(path)
}

// enter opens a directory, and fails for anything else.
func (d *dir) enter(name string) (*dir, error) {
	fd, err := d.openat(name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	return &dir{fd: fd, at: d.below(name)}, nil
}

// mkdir makes and opens a new directory; an existing entry is an error.
func (d *dir) mkdir(name string) (*dir, error) {
	if err := unix.Mkdirat(d.fd, name, 0o700); err != nil {
		return nil, err
	}
	return d.enter(name)
}

// create makes a new file; an existing entry is an error.
func (d *dir) create(name string) (*os.File, error) {
	fd, err := unix.Openat(d.fd, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("making %s: %w", d.show(name), err)
	}
	return os.NewFile(uintptr(fd), ""), nil
}

// handle holds an entry without opening it (O_PATH), which has no effect on a device or a pipe.
type handle struct {
	fd int
	unix.Statx_t
}

func (h *handle) close() { _ = unix.Close(h.fd) }

// look takes hold of an entry and reads its metadata.
func (d *dir) look(name string) (*handle, error) {
	fd, err := d.openat(name, unix.O_PATH)
	if err != nil {
		return nil, err
	}
	h := &handle{fd: fd}
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS, &h.Statx_t); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

func (h *handle) isDir() bool     { return h.Mode&unix.S_IFMT == unix.S_IFDIR }
func (h *handle) isRegular() bool { return h.Mode&unix.S_IFMT == unix.S_IFREG }
func (h *handle) isLink() bool    { return h.Mode&unix.S_IFMT == unix.S_IFLNK }

// kind names the kind of an entry, for messages.
func (h *handle) kind() string {
	switch h.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return "a directory"
	case unix.S_IFREG:
		return "a file"
	case unix.S_IFLNK:
		return "a symbolic link"
	case unix.S_IFIFO:
		return "a pipe"
	case unix.S_IFSOCK:
		return "a socket"
	}
	return "a device"
}

// frozen tells whether an entry has a flag against changes.
func (h *handle) frozen() bool {
	return h.Attributes&(unix.STATX_ATTR_IMMUTABLE|unix.STATX_ATTR_APPEND) != 0
}

// path is a path to the held entry, for system calls that refuse an O_PATH descriptor. The kernel
// resolves the path to the inode held, even after its name has gone to another entry.
func (h *handle) path() string { return "/proc/self/fd/" + strconv.Itoa(h.fd) }

// open opens a regular file or a directory for reading, and nothing else.
func (h *handle) open() (*os.File, error) {
	if !h.isRegular() && !h.isDir() {
		return nil, fmt.Errorf("it is %s", h.kind())
	}
	fd, err := unix.Open(h.path(), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	var now unix.Stat_t
	if err := unix.Fstat(fd, &now); err != nil || now.Ino != h.Ino {
		_ = unix.Close(fd)
		return nil, errors.Join(err, errors.New("/proc does not lead to what was looked at"))
	}
	return os.NewFile(uintptr(fd), ""), nil
}

// read reads a file of at most limit bytes.
func (h *handle) read(limit int64) (string, error) {
	f, err := h.open()
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("it has more than %d bytes", limit)
	}
	return string(b), err
}

// attributes are the names of extended attributes, each ended by a zero byte.
func (h *handle) attributes() ([]byte, error) {
	size, err := unix.Listxattr(h.path(), nil)
	if errors.Is(err, unix.ENOTSUP) || err == nil && size == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	list := make([]byte, size)
	n, err := unix.Listxattr(h.path(), list)
	return list[:max(n, 0)], err
}

// readlink is the target of a symbolic link.
func (d *dir) readlink(name string) (string, error) {
	buf := make([]byte, unix.PathMax+1)
	n, err := unix.Readlinkat(d.fd, name, buf)
	if err == nil && n == len(buf) {
		err = errors.New("it leads too far")
	}
	return string(buf[:max(n, 0)]), err
}

// names reads a directory from its beginning. More than limit entries are errTooMany.
func (d *dir) names(limit int) ([]string, error) {
	var all []string
	if _, err := unix.Seek(d.fd, 0, io.SeekStart); err != nil {
		return nil, err
	}
	r := reader{d: d}
	for {
		name, err := r.next()
		if err != nil || name == "" {
			return all, err
		}
		if len(all) == limit {
			return nil, errTooMany
		}
		all = append(all, name)
	}
}

// errTooMany is returned when a directory has more entries than a limit allows.
var errTooMany = errors.New("it holds too many entries")

// reader reads a directory piece by piece.
type reader struct {
	d    *dir
	some []string
	buf  []byte
}

// next is the next name; empty at the end.
func (r *reader) next() (string, error) {
	for len(r.some) == 0 {
		if r.buf == nil {
			r.buf = make([]byte, 16<<10)
		}
		n, err := unix.ReadDirent(r.d.fd, r.buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return "", err
		}
		_, _, r.some = unix.ParseDirent(r.buf[:n], -1, r.some[:0])
	}
	name := r.some[0]
	r.some = r.some[1:]
	return name, nil
}
