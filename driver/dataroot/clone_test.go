package dataroot

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// sharingFS makes a file system with shared blocks and returns a directory on it; "" if this
// machine cannot.
func sharingFS(t *testing.T) string {
	t.Helper()
	image, at := filepath.Join(t.TempDir(), "xfs"), t.TempDir()
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 512<<20); err != nil { // mkfs.xfs refuses a smaller size
		t.Fatal(err)
	}
	for _, cmd := range [][]string{{"mkfs.xfs", "-q", "-m", "reflink=1", image}, {"mount", "-o", "loop", image, at}} {
		if out, err := exec.CommandContext(t.Context(), cmd[0], cmd[1:]...).CombinedOutput(); err != nil {
			t.Logf("no file system that shares blocks: %s: %v: %s", cmd[0], err, out)
			return ""
		}
	}
	t.Cleanup(func() {
		if err := unix.Unmount(at, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return at
}

// rootsAt makes a data root in a directory, and an empty data root beside it.
func rootsAt(t *testing.T, dir string) (from, to string) {
	t.Helper()
	from, to = filepath.Join(dir, "from"), filepath.Join(dir, "to")
	for _, d := range []string{from, to} {
		if err := os.Mkdir(d, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	seedAt(t, from)
	for name, size := range map[string]int{"overlay2/a/diff/large": 40 << 20, "buildkit/cache.db": 5000} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(from, name)), 0o711); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(from, name), bytes.Repeat([]byte("layer"), size/5), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return from, to
}

func free(t *testing.T, dir string) int64 {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var fs unix.Statfs_t
	if err := errors.Join(unix.Syncfs(int(f.Fd())), unix.Fstatfs(int(f.Fd()), &fs)); err != nil {
		t.Fatal(err)
	}
	return int64(fs.Bfree) * fs.Bsize
}

// A clone has all layers and build cache of a data root, and takes no room.
func TestACloneSharesAllBlocks(t *testing.T) {
	dir := sharingFS(t)
	if dir == "" {
		return // TestNothingIsClonedByCopyingBytes covers machines without shared blocks
	}
	from, to := rootsAt(t, dir)
	before := free(t, dir)
	if err := Clone(t.Context(), from, to, DefaultLimits()); err != nil {
		t.Fatal(err)
	}
	if took := before - free(t, dir); took > 4<<20 {
		t.Errorf("the clone takes %d bytes", took)
	}
	large := filepath.Join(to, "overlay2/a/diff/large")
	for _, own := range []string{"network", "containers", Dir} {
		if err := os.RemoveAll(filepath.Join(from, own)); err != nil {
			t.Fatal(err)
		}
	}
	if want, got := files(t, from), files(t, to); got != want {
		t.Errorf("the clone has\n%.2000s\nwant\n%.2000s", got, want)
	}
	f, err := os.OpenFile(large, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("written"); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(from, "overlay2/a/diff/large")); err != nil || !bytes.HasPrefix(b, []byte("layerlayer")) {
		t.Errorf("what is written to the clone is in the other as well (%v)", err)
	}
}

// A seed's copy shares blocks if the file system can.
func TestACopyOfASeedSharesBlocks(t *testing.T) {
	dir := sharingFS(t)
	if dir == "" {
		return
	}
	from, to := rootsAt(t, dir)
	if err := Seal(from); err != nil {
		t.Fatal(err)
	}
	before := free(t, dir)
	if err := Copy(t.Context(), from, to); err != nil {
		t.Fatal(err)
	}
	if took := before - free(t, dir); took > 4<<20 {
		t.Errorf("the copy takes %d bytes", took)
	}
}

// Nothing is cloned if bytes would have to be copied, or if there are too many entries. The
// target keeps its content.
func TestNothingIsClonedByCopyingBytes(t *testing.T) {
	small := DefaultLimits()
	small.Stay = 1
	shm, err := os.MkdirTemp("/dev/shm", "dataroot")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(shm) })
	for name, c := range map[string]struct {
		limits Limits
		spoil  func(from string) error
		want   error
	}{
		"a file system that shares nothing": {DefaultLimits(), nil, ErrNotShared},
		"layers that are subvolumes":        {DefaultLimits(), func(from string) error { return os.MkdirAll(from+"/btrfs/subvolumes", 0o700) }, ErrNotShared},
		"too many entries":                  {small, nil, errTooMuch},
	} {
		dir := filepath.Join(shm, filepath.Base(t.Name()), name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		from, to := rootsAt(t, dir)
		if c.spoil != nil {
			if err := c.spoil(from); err != nil {
				t.Fatal(err)
			}
		}
		if err := Clone(t.Context(), from, to, c.limits); !errors.Is(err, c.want) {
			t.Errorf("%s: error %v", name, err)
		}
		if left := files(t, to); left != "" {
			t.Errorf("%s: left %s", name, left)
		}
	}
}
