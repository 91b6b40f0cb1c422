package dataroot

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fsProjInherit is FS_PROJINHERIT_FL. A directory with this flag refuses entries of another
// project, in the sense of disk quotas.
const fsProjInherit = 0x20000000

// thaw clears the flags against changes from an open file or directory. The answer tells whether
// there were any.
func thaw(fd int) (bool, error) { return unflag(fd, unix.STATX_ATTR_IMMUTABLE|unix.STATX_ATTR_APPEND) }

// unflag clears inode flags. Flags of statx and of FS_IOC_SETFLAGS have the same numbers.
func unflag(fd int, bits uint32) (bool, error) {
	flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	if err != nil {
		if errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.ENOSYS) {
			return false, nil // the file system has no flags
		}
		return false, err
	}
	if flags&bits == 0 {
		return false, nil
	}
	return true, unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(int32(flags&^bits)))
}

// refused tells whether flags or a mode may be the reason for a failed removal. EROFS counts,
// because a snapshot of btrfs may be read-only on a writable file system.
func refused(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EROFS)
}

// open allows the removal of entries from a directory. The mode matters only to users other than
// root.
func (d *dir) open() error {
	if _, err := thaw(d.fd); err != nil && !errors.Is(err, unix.EROFS) {
		return err
	}
	if err := makeWritable(d.fd); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		return nil
	}
	return unix.Fchmod(d.fd, 0o700)
}

const (
	// btrfsGetFlags and btrfsSetFlags are BTRFS_IOC_SUBVOL_GETFLAGS and _SETFLAGS.
	btrfsGetFlags = 0x80089419
	btrfsSetFlags = 0x4008941a
	// btrfsReadOnly is BTRFS_SUBVOL_RDONLY.
	btrfsReadOnly = 2
)

// makeWritable allows changes in a read-only subvolume of btrfs.
func makeWritable(fd int) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil || fs.Type != unix.BTRFS_SUPER_MAGIC {
		return err
	}
	var flags uint64
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), btrfsGetFlags, uintptr(unsafe.Pointer(&flags))); e != 0 || flags&btrfsReadOnly == 0 {
		return nil // the directory lies within a subvolume
	}
	flags &^= btrfsReadOnly
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), btrfsSetFlags, uintptr(unsafe.Pointer(&flags))); e != 0 {
		return e
	}
	return nil
}

// permit gives a directory the mode 0700.
func (d *dir) permit(name string) error {
	h, err := d.look(name)
	if err != nil {
		return err
	}
	defer h.close()
	if !h.isDir() {
		return unix.ENOTDIR
	}
	return unix.Chmod(h.path(), 0o700)
}

// fileAttr is the kernel's struct file_attr, of Linux 6.17.
type fileAttr struct {
	xflags                                uint64
	extsize, nextents, projid, cowextsize uint32
}

const (
	sysFileGetattr = 468
	sysFileSetattr = 469
	// xflagsFrozen are FS_XFLAG_IMMUTABLE and FS_XFLAG_APPEND.
	xflagsFrozen = 0x8 | 0x10
)

// thawEntry clears the flags against changes from an entry of any kind. Links, pipes and devices
// cannot be opened safely. They have such flags only since Linux 6.17, whose file_setattr clears
// flags by name.
func (d *dir) thawEntry(name string) (bool, error) {
	h, err := d.look(name)
	if err != nil {
		return false, err
	}
	defer h.close()
	if h.isRegular() || h.isDir() {
		f, err := h.open()
		if err != nil {
			return false, err
		}
		defer f.Close()
		return thaw(int(f.Fd()))
	}
	p, err := unix.BytePtrFromString(name)
	if err != nil {
		return false, err
	}
	var a fileAttr
	_, _, e := unix.Syscall6(sysFileGetattr, uintptr(d.fd), uintptr(unsafe.Pointer(p)), uintptr(unsafe.Pointer(&a)), unsafe.Sizeof(a), unix.AT_SYMLINK_NOFOLLOW, 0)
	if e != 0 || a.xflags&xflagsFrozen == 0 {
		return false, nil
	}
	a.xflags &^= xflagsFrozen
	if _, _, e := unix.Syscall6(sysFileSetattr, uintptr(d.fd), uintptr(unsafe.Pointer(p)), uintptr(unsafe.Pointer(&a)), unsafe.Sizeof(a), unix.AT_SYMLINK_NOFOLLOW, 0); e != 0 {
		return false, e
	}
	return true, nil
}
