package plant

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Disk is a loop device of a scratch file, until the test ends. The device stands for a disk of
// the host.
type Disk struct {
	// Node is its device node, Number its device number for mknod.
	Node   string
	Number uint64

	before []byte
}

// diskSize is in bytes.
const diskSize = 64 << 10

// NewDisk makes a disk full of a pattern. Only root can do so. Without root the disk is empty,
// and tests plant nothing on it.
func NewDisk(t testing.TB) *Disk {
	t.Helper()
	if os.Geteuid() != 0 {
		return &Disk{}
	}
	file := filepath.Join(t.TempDir(), "disk")
	d := &Disk{before: bytes.Repeat([]byte("a disk of the host "), diskSize)[:diskSize]}
	if err := os.WriteFile(file, d.before, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("losetup", "--find", "--show", file).CombinedOutput()
	if err != nil {
		t.Fatalf("losetup: %v: %s", err, out)
	}
	d.Node = strings.TrimSpace(string(out))
	t.Cleanup(func() {
		if out, err := exec.Command("losetup", "--detach", d.Node).CombinedOutput(); err != nil {
			t.Errorf("losetup: %v: %s", err, out)
		}
	})
	var st unix.Stat_t
	if err := unix.Stat(d.Node, &st); err != nil {
		t.Fatal(err)
	}
	d.Number = st.Rdev
	return d
}

// Untouched asserts that nothing was written to the disk.
func (d *Disk) Untouched(t testing.TB) {
	t.Helper()
	if d.Node == "" {
		return
	}
	now, err := os.ReadFile(d.Node)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(now, d.before) {
		t.Errorf("a disk of the host was written to: it begins with %.40q", now)
	}
}
