package host

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// unmountRounds bounds the searches for mounts: below a mount there may be another.
const unmountRounds = 32

// MountedIn tells whether something is mounted in a volume of the engine. The end of the volume's
// path is the same on every engine.
func MountedIn(volume string) bool {
	table, err := os.ReadFile("/proc/self/mountinfo")
	return err == nil && bytes.Contains(table, []byte("/"+volume+"/_data/"))
}

// UnmountBelow unmounts everything below a directory, which need not be on this host.
func UnmountBelow(path string) error {
	dir, err := filepath.EvalSymlinks(path) // resolves links in the engine's own path
	if err != nil {
		return nil // the directory is not on this host
	}
	for range unmountRounds {
		table, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			return fmt.Errorf("looking for mounts: %w", err)
		}
		below := mountsBelow(table, dir)
		if len(below) == 0 {
			return nil
		}
		for _, at := range below {
			if err := unmount(dir, at); err != nil {
				return fmt.Errorf("unmounting: %w", err)
			}
		}
	}
	return errors.New("mounts come back")
}

// mountsBelow reads mountinfo. The answer has the mount points strictly below a directory,
// relative to the directory, the latest mount first.
func mountsBelow(table []byte, dir string) []string {
	var below []string
	lines := bufio.NewScanner(bytes.NewReader(table))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		f := strings.Fields(lines.Text()) // 36 35 98:0 /root /mount/point options …
		if len(f) < 6 {
			continue
		}
		at, found := strings.CutPrefix(unescape(f[4]), strings.TrimSuffix(dir, "/")+"/")
		if found && at != "" {
			below = append(below, at)
		}
	}
	slices.Reverse(below)
	return below
}

// unescape replaces the octal numbers by which mountinfo writes blanks.
func unescape(path string) string {
	var out strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] == '\\' && i+3 < len(path) {
			if n, err := strconv.ParseUint(path[i+1:i+4], 8, 8); err == nil {
				out.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		out.WriteByte(path[i])
	}
	return out.String()
}

// unmount unmounts a path below a directory. No link is followed on the way, so nothing planted
// by a job leads elsewhere.
func unmount(dir, at string) error {
	root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(root)
	point, err := unix.Openat2(root, at, &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	})
	if errors.Is(err, unix.ENOENT) {
		return nil // another mount hides the path, and goes first
	}
	if err != nil {
		return err
	}
	defer unix.Close(point)
	// The handle names the very mount that was looked at.
	err = unix.Unmount("/proc/self/fd/"+strconv.Itoa(point), unix.MNT_DETACH)
	if errors.Is(err, unix.EINVAL) {
		return nil // no mount any more
	}
	return err
}
