package dataroot

import (
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Since Linux 6.17 links, pipes and devices can be immutable as well, for example on xfs.
// Elsewhere this test removes ordinary links and pipes.
func TestEmptyRemovesLinksAndPipesThatAreImmutable(t *testing.T) {
	root := t.TempDir()
	if err := os.Symlink("/no/such", root+"/link"); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(root+"/pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"link", "pipe"} {
		p, err := unix.BytePtrFromString(root + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		at := unix.AT_FDCWD
		a := fileAttr{xflags: 0x8}
		_, _, e := unix.Syscall6(sysFileSetattr, uintptr(at), uintptr(unsafe.Pointer(p)), uintptr(unsafe.Pointer(&a)), unsafe.Sizeof(a), unix.AT_SYMLINK_NOFOLLOW, 0)
		t.Logf("making the %s immutable: %v", name, e)
	}
	if err := Empty(t.Context(), root, DefaultLimits()); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(root); err != nil || len(left) > 0 {
		t.Errorf("left is %v, %v", left, err)
	}
}
