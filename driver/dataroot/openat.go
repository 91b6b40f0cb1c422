package dataroot

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// resolve are the rules for looking up every name: beneath its directory, through no link of any
// kind, and into no other mount.
const resolve = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV

// openat opens a single name in d.
func (d *dir) openat(name string, flags uint64) (int, error) {
	if !hasOpenat2() {
		return d.openatOld(name, flags)
	}
	how := unix.OpenHow{Flags: flags | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: resolve}
	for {
		fd, err := unix.Openat2(d.fd, name, &how)
		if err == unix.EINTR || err == unix.EAGAIN {
			continue
		}
		return fd, err
	}
}

// hasOpenat2 tells whether openat2 works here. The call needs Linux 5.6, and an engine that
// allows it in containers.
var hasOpenat2 = sync.OnceValue(func() bool {
	fd, err := unix.Openat2(unix.AT_FDCWD, "/", &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC})
	if err == nil {
		_ = unix.Close(fd)
	}
	return !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EPERM)
})

// openatOld is openat for older kernels. A single name leads through no link if the last link is
// not followed. A mount on the name has another mount number, and is refused.
func (d *dir) openatOld(name string, flags uint64) (int, error) {
	if name == "" || name == ".." || strings.Contains(name, "/") {
		return -1, unix.EINVAL
	}
	fd, err := unix.Openat(d.fd, name, int(flags)|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	here, err := mountOf(d.fd)
	var there string
	if err == nil {
		there, err = mountOf(fd)
	}
	if err == nil && here != there {
		err = unix.EXDEV
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// mountOf is the number of the mount in which an open entry lies.
func mountOf(fd int) (string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
	if err != nil {
		return "", err
	}
	_, rest, ok := strings.Cut(string(b), "mnt_id:")
	if !ok {
		return "", errors.New("this kernel does not tell mounts apart")
	}
	id, _, _ := strings.Cut(strings.TrimSpace(rest), "\n")
	return id, nil
}
