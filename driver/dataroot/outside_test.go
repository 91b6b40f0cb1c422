package dataroot_test

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// outside makes files that no tree may reach, and returns targets for links.
func outside(t *testing.T, at string) []string {
	t.Helper()
	for path, text := range map[string]string{"linked": "linked", "program": "#!/bin/sh\n", "dir/sh": "of the host", "dir/overlay2/l/x": "deep", "frozen": "frozen"} {
		path = filepath.Join(at, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
		// A later read changes the access time, on file systems that record it.
		if err := os.Chtimes(path, time.Unix(1e9, 0), time.Unix(2e9/2+1, 0)); err != nil {
			t.Fatal(err)
		}
	}
	setFlag(at+"/frozen", unix.STATX_ATTR_IMMUTABLE)
	return []string{at, at + "/linked", at + "/program", at + "/dir", at + "/frozen", at + "/dir/overlay2/l"}
}

// setFlag gives a flag to a file if the file system can.
func setFlag(path string, bit uint32) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS); err == nil {
		_ = unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(flags|bit))
	}
}

// look describes everything below a directory, without changing access times. Files with further
// names in the tree, which may go, are noted in shared.
func look(t *testing.T, root string, shared map[string]bool) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Statx_t
		if err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS, &st); err != nil {
			return err
		}
		line := fmt.Sprintf("%s %o %d:%d %d %v %x", path, st.Mode, st.Uid, st.Gid, st.Size, st.Mtime, st.Attributes)
		if st.Mode&unix.S_IFMT == unix.S_IFREG && st.Nlink > 1 {
			shared[path] = true
		}
		if !shared[path] {
			line += fmt.Sprintf(" %d %v", st.Nlink, st.Ctime)
		}
		if st.Mode&unix.S_IFMT == unix.S_IFREG {
			f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOATIME, 0)
			if err != nil {
				return err
			}
			b, err := io.ReadAll(f)
			_ = f.Close()
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %v %q", st.Atime, b)
		}
		all = append(all, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// clean removes a scratch directory, flags included, with code of its own.
func clean(t *testing.T, scratch string) {
	_ = filepath.WalkDir(scratch, func(path string, e fs.DirEntry, err error) error {
		if err == nil && (e.IsDir() || e.Type().IsRegular()) {
			clearFlags(path)
		}
		return nil
	})
	if err := os.RemoveAll(scratch); err != nil {
		t.Errorf("of the test there is left: %v", err)
	}
}

func clearFlags(path string) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS); err == nil {
		_ = unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(flags&^(unix.STATX_ATTR_IMMUTABLE|unix.STATX_ATTR_APPEND)))
	}
}
