package plant

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Kind is a hostile thing in the place of a file.
type Kind struct {
	Name string
	// Put plants the thing until the test ends. check asserts the integrity of everything
	// outside, and takes the thing away where the directory's removal would fail.
	Put func(t testing.TB, name string) (check func())
	// Readable marks a regular file with one name after all. Replaceable says: another file can
	// take the thing's name.
	Readable, Replaceable bool
	// Aliased says: an open by the name opens a regular file.
	Aliased bool
	// Foreign says: the regular file belongs to another user.
	Foreign bool
}

// Stranger is the id of a user other than root and the test's user.
const Stranger = 54321

// Planted is the content of each planted regular file, and of each file outside.
const Planted = "planted\n"

// Kinds returns every kind within this process's power. Only root can plant a device, another
// user's file, a mount, or an immutable file.
func Kinds(disk *Disk) []Kind {
	none := func() {}
	simply := func(put func(name string) error) func(testing.TB, string) func() {
		return func(t testing.TB, name string) func() {
			must(t, put(name))
			return none
		}
	}
	kinds := []Kind{
		{Name: "a pipe", Put: simply(func(name string) error { return unix.Mkfifo(name, 0o666) }), Replaceable: true},
		{Name: "an absolute link", Put: link(func(outside string) string { return outside }), Replaceable: true, Aliased: true},
		{Name: "a relative link", Put: link(func(outside string) string {
			return "../" + filepath.Base(filepath.Dir(outside)) + "/" + filepath.Base(outside)
		}), Replaceable: true, Aliased: true},
		{Name: "a dangling link", Put: func(t testing.TB, name string) func() {
			outside := filepath.Join(t.TempDir(), "made")
			must(t, os.Symlink(outside, name))
			return func() {
				if _, err := os.Lstat(outside); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("what the link names was made: %v", err)
				}
			}
		}, Replaceable: true},
		{Name: "a hard link", Put: func(t testing.TB, name string) func() {
			outside := name + "-outside"
			must(t, os.WriteFile(outside, []byte(Planted), 0o600))
			must(t, os.Link(outside, name))
			return func() { same(t, outside) }
		}, Replaceable: true, Aliased: true},
		{Name: "a directory", Put: simply(func(name string) error { return os.MkdirAll(filepath.Join(name, "in it"), 0o755) })},
		{Name: "a socket", Put: simply(func(name string) error { return unix.Mknod(name, unix.S_IFSOCK|0o666, 0) }), Replaceable: true},
	}
	if os.Geteuid() != 0 {
		return kinds
	}
	return append(kinds,
		Kind{Name: "a disk", Put: simply(func(name string) error { return unix.Mknod(name, unix.S_IFBLK|0o666, int(disk.Number)) }), Replaceable: true},
		Kind{Name: "a terminal", Put: simply(func(name string) error { return unix.Mknod(name, unix.S_IFCHR|0o666, int(unix.Mkdev(5, 0))) }), Replaceable: true},
		Kind{Name: "another user's file", Put: simply(func(name string) error {
			return errors.Join(os.WriteFile(name, []byte(Planted), 0o666), os.Chown(name, Stranger, Stranger))
		}), Readable: true, Replaceable: true, Foreign: true},
		Kind{Name: "another user's link", Put: func(t testing.TB, name string) func() {
			check := link(func(outside string) string { return outside })(t, name)
			must(t, os.Lchown(name, Stranger, Stranger))
			return check
		}, Replaceable: true, Aliased: true},
		Kind{Name: "a mount", Put: func(t testing.TB, name string) func() {
			outside := filepath.Join(t.TempDir(), "outside")
			must(t, os.WriteFile(outside, []byte(Planted), 0o600))
			must(t, os.WriteFile(name, nil, 0o600))
			must(t, unix.Mount(outside, name, "", unix.MS_BIND, ""))
			t.Cleanup(func() { must(t, unix.Unmount(name, unix.MNT_DETACH)) })
			return func() { same(t, outside) }
		}, Aliased: true},
		Kind{Name: "a file that nobody can change", Put: func(t testing.TB, name string) func() {
			must(t, os.WriteFile(name, []byte(Planted), 0o600))
			must(t, flag(name, true))
			t.Cleanup(func() { must(t, flag(name, false)) })
			return func() { same(t, name) }
		}, Readable: true},
	)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func link(target func(outside string) string) func(testing.TB, string) func() {
	return func(t testing.TB, name string) func() {
		dir, err := os.MkdirTemp(filepath.Dir(filepath.Dir(name)), "outside")
		must(t, err)
		t.Cleanup(func() { os.RemoveAll(dir) })
		outside := filepath.Join(dir, "file")
		must(t, os.WriteFile(outside, []byte(Planted), 0o600))
		must(t, os.Symlink(target(outside), name))
		return func() { same(t, outside) }
	}
}

// same asserts that a file outside is unchanged.
func same(t testing.TB, outside string) {
	t.Helper()
	if now, err := os.ReadFile(outside); err != nil || !bytes.Equal(now, []byte(Planted)) {
		t.Errorf("a file outside was touched: it holds %q, %v", now, err)
	}
	if info, err := os.Stat(outside); err == nil && info.Mode().Perm() != 0o600 {
		t.Errorf("a file outside was touched: its mode is %v", info.Mode())
	}
}

// immutable is FS_IMMUTABLE_FL.
const immutable = 0x10

// flag sets or clears the immutable flag, with which even root cannot change a file.
func flag(name string, on bool) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err != nil {
		return err
	}
	flags &^= immutable
	if on {
		flags |= immutable
	}
	return unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags)
}
