package hostfile

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// within holds the rules for a name below a directory: no link, no mount, and no way out of
// the directory.
const within = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV

// hasOpenat2 tells whether the kernel has openat2 (Linux 5.6) and no filter of system calls
// (seccomp) blocks the call.
var hasOpenat2 = sync.OnceValue(func() bool {
	fd, err := unix.Openat2(unix.AT_FDCWD, "/", &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: within &^ unix.RESOLVE_BENEATH})
	if err != nil {
		return false
	}
	_ = unix.Close(fd)
	return true
})

// handle takes a handle of the named thing below a directory, and opens nothing.
func handle(dir int, name string) (int, error) {
	return handleBy(dir, name, hasOpenat2())
}

func handleBy(dir int, name string, openat2 bool) (int, error) {
	if !local(name) {
		return -1, unix.EXDEV
	}
	if openat2 {
		return retried(func() (int, error) {
			return unix.Openat2(dir, name, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: within})
		})
	}
	return stepwise(dir, name)
}

// local tells whether a name stays below its directory.
func local(name string) bool {
	return name != "" && path.Clean(name) == name && !path.IsAbs(name) && name != ".." && !strings.HasPrefix(name, "../")
}

// resolveTries bounds the look-ups of one name while others rename.
const resolveTries = 64

func retried(open func() (int, error)) (fd int, err error) {
	for range resolveTries {
		fd, err = open()
		if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			break
		}
	}
	return fd, err
}

// stepwise is handle for a kernel without openat2. stepwise takes one name at a time, and
// checks each time for the same mount.
func stepwise(dir int, name string) (int, error) {
	mount, err := mountOf(dir)
	if err != nil {
		return -1, err
	}
	at := dir
	leave := func() {
		if at != dir {
			_ = unix.Close(at)
		}
	}
	for step := range strings.SplitSeq(name, "/") {
		next, err := retried(func() (int, error) {
			return unix.Openat(at, step, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		})
		leave()
		if err != nil {
			return -1, err
		}
		at = next
		var st unix.Stat_t
		if err := unix.Fstat(at, &st); err != nil {
			leave()
			return -1, err
		}
		if st.Mode&unix.S_IFMT == unix.S_IFLNK {
			leave()
			return -1, unix.ELOOP
		}
		if here, err := mountOf(at); err != nil || here != mount {
			leave()
			return -1, errors.Join(err, unix.EXDEV)
		}
	}
	return at, nil
}

// mountOf returns the kernel's number of the mount that a handle lies in.
func mountOf(fd int) (string, error) {
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
	if err != nil {
		return "", err
	}
	_, rest, found := strings.Cut(string(info), "mnt_id:")
	if !found {
		return "", errors.ErrUnsupported
	}
	id, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(id), nil
}

// reopen opens the thing behind a handle, whatever has its name by now.
func reopen(fd, flags int) (int, error) {
	return retried(func() (int, error) {
		return unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), flags|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	})
}
