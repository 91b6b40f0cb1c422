package dataroot

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// freeze gives a file or directory a flag against changes, until the test ends.
func freeze(t *testing.T, path string, flag uint32) {
	t.Helper()
	fd, err := unix.Open(path, unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(flags|flag))
	}
	if err != nil {
		t.Skipf("no such flags here: %v", err) // not root, or tmpfs
	}
	t.Cleanup(func() {
		if fd, err := unix.Open(path, unix.O_RDONLY, 0); err == nil {
			_, _ = thaw(fd)
			_ = unix.Close(fd)
		}
	})
}

func TestEmptyLeavesAnEmptyDirectory(t *testing.T) {
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, fill := range map[string]func(t *testing.T, root string){
		"nothing": func(*testing.T, string) {},
		"all kinds": func(t *testing.T, root string) {
			must(t, os.MkdirAll(root+"/a/b/c", 0o755))
			must(t, os.WriteFile(root+"/a/b/file", []byte("text"), 0o400))
			must(t, os.Symlink("/", root+"/a/root"))
			must(t, unix.Mkfifo(root+"/fifo", 0o600))
			must(t, os.Chmod(root+"/a/b", 0o500))
		},
		"a depth of 2000": func(t *testing.T, root string) {
			d, err := openRoot(root)
			must(t, err)
			for range 2000 {
				inner, err := d.mkdir("d")
				must(t, err)
				d.close()
				d = inner
				d.at = ""
			}
			d.close()
		},
		"odd names": func(t *testing.T, root string) {
			for i := 1; i < 256; i++ {
				if i != '/' {
					must(t, os.WriteFile(filepath.Join(root, "x"+string([]byte{byte(i)})), nil, 0o600))
				}
			}
			must(t, os.Mkdir(root+"/"+strings.Repeat("\xff", 255), 0o700))
		},
		"1,000 directories with something in each": func(t *testing.T, root string) {
			for i := range 1_000 {
				must(t, os.MkdirAll(fmt.Sprintf("%s/%d/x", root, i), 0o700))
			}
		},
		"immutable and append-only files and directories": func(t *testing.T, root string) {
			must(t, os.MkdirAll(root+"/a/b", 0o755))
			must(t, os.Mkdir(root+"/empty", 0o755))
			must(t, os.WriteFile(root+"/a/b/file", []byte("text"), 0o600))
			must(t, os.WriteFile(root+"/a/b/log", []byte("text"), 0o600))
			for path, flag := range map[string]uint32{"/a/b/file": unix.STATX_ATTR_IMMUTABLE, "/a/b/log": unix.STATX_ATTR_APPEND, "/empty": unix.STATX_ATTR_IMMUTABLE, "/a/b": unix.STATX_ATTR_IMMUTABLE, "/a": unix.STATX_ATTR_APPEND, "": unix.STATX_ATTR_IMMUTABLE} {
				freeze(t, root+path, flag)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			fill(t, root)
			for range 2 { // a second call does no harm
				if err := Empty(t.Context(), root, DefaultLimits()); err != nil {
					t.Fatal(err)
				}
			}
			if left, err := os.ReadDir(root); err != nil || len(left) > 0 {
				t.Errorf("left is %v, %v", left, err)
			}
		})
	}
}

// No entry stops the removal of others.
func TestWhatIsMountedStaysAndTheRestGoes(t *testing.T) {
	root, other := t.TempDir(), t.TempDir()
	for _, dir := range []string{"a/mount", "a/more", "z/more"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(other+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(other, root+"/a/mount", "", unix.MS_BIND, ""); err != nil {
		t.Skipf("mounting needs root: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(root+"/a/mount", unix.MNT_DETACH) })
	err := Empty(t.Context(), root, DefaultLimits())
	if err == nil || !strings.Contains(err.Error(), `"a/mount": something is mounted there`) {
		t.Errorf("the error is %v", err)
	}
	if left := files(t, root); strings.Contains(left, "more") || !strings.Contains(left, "a/mount/file") {
		t.Errorf("left is\n%s", left)
	}
	if _, err := os.Stat(other + "/file"); err != nil {
		t.Error(err)
	}
}

func TestEmptyEndsAtItsBound(t *testing.T) {
	root := t.TempDir()
	for i := range 20 {
		if err := os.WriteFile(fmt.Sprint(root, "/", i), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Empty(t.Context(), root, Limits{Removed: 10}); err == nil || !strings.Contains(err.Error(), "more than 10 entries") {
		t.Errorf("the error is %v", err)
	}
}
