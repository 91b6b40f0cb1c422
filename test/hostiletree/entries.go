package hostiletree

import (
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

const osSetuid = fs.ModeSetuid | fs.ModeSetgid

func (p *planter) outside() string {
	if len(p.o.Outside) == 0 {
		return "/no/such"
	}
	return p.one(p.o.Outside)
}

func (p *planter) link(at, to string) error {
	p.instead(at)
	p.made++
	return p.root.Symlink(to, at)
}

// hardLink gives a file outside another name. In a volume, which is a mount of its own, the
// link fails. Only tests without a volume see a success.
func (p *planter) hardLink(from string) error {
	at := p.place()
	p.instead(at)
	return p.in(at, func(fd int, name string) error { return unix.Linkat(unix.AT_FDCWD, from, fd, name, 0) })
}

func (p *planter) node(kind uint32, dev uint64) error {
	at := p.place()
	p.instead(at)
	return p.in(at, func(fd int, name string) error { return unix.Mknodat(fd, name, kind|0o666, int(dev)) })
}

// sparse makes a file of terabytes that takes no room.
func (p *planter) sparse() error {
	at := p.place()
	p.instead(at)
	if err := p.write(at, ""); err != nil {
		return err
	}
	return p.in(at, func(fd int, name string) error {
		f, err := unix.Openat(fd, name, unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		if err != nil {
			return err
		}
		defer unix.Close(f)
		return unix.Ftruncate(f, 1<<43)
	})
}

func (p *planter) attribute() error {
	if len(p.files) == 0 || p.o.Honest {
		return unix.ENOENT
	}
	return p.onFile(p.one(p.files), func(fd int) error {
		return unix.Fsetxattr(fd, p.one([]string{"trusted.overlay.opaque", "trusted.overlay.redirect", "user.overlay.opaque", "user.x"}), []byte("y"), 0)
	})
}

// onFile opens a regular file or a directory for reading.
func (p *planter) onFile(at string, do func(fd int) error) error {
	info, err := p.root.Lstat(at)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() && !info.IsDir() {
		return unix.EINVAL
	}
	f, err := p.root.OpenFile(at, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return do(int(f.Fd()))
}

// freeze gives flags to an entry once the tree is complete. Entries with a name outside are
// left alone.
func (p *planter) freeze(flag int) error {
	at := p.one(p.dirs)
	if len(p.files) > 0 && p.chance(2) {
		at = p.one(p.files)
	}
	p.frozen = append(p.frozen, func() error {
		return p.onFile(at, func(fd int) error {
			var st unix.Stat_t
			if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT == unix.S_IFREG && st.Nlink > 1 {
				return unix.EMLINK
			}
			flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
			if err != nil {
				return err
			}
			return unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(flags)|flag)
		})
	})
	return nil
}

// deep nests directories until paths are longer than any system call takes.
func (p *planter) deep() error {
	d, err := p.root.OpenFile(p.one(p.dirs), os.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	fd, err := unix.Dup(int(d.Fd()))
	_ = d.Close()
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	for i := range p.o.Depth {
		name := p.hex(8)
		if err := unix.Mkdirat(fd, name, 0o755); err != nil {
			return err
		}
		inner, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
		if err != nil {
			return err
		}
		_ = unix.Close(fd)
		fd = inner
		if i%100 == 0 {
			_ = unix.Symlinkat(p.outside(), fd, p.name())
		}
		p.made++
	}
	return nil
}

// wide makes many entries in a directory: all that are still allowed.
func (p *planter) wide() error {
	at := path.Join(p.one(p.dirs), p.hex(8))
	if err := p.mkdirs(at); err != nil {
		return err
	}
	return p.in(at+"/x", func(fd int, _ string) error {
		for p.made < p.o.Entries {
			var err error
			switch p.rng.IntN(4) {
			case 0:
				err = unix.Mkdirat(fd, p.hex(12), 0o755)
			case 1:
				err = unix.Symlinkat(p.outside(), fd, p.hex(12))
			default:
				err = unix.Mknodat(fd, p.hex(12), unix.S_IFREG|0o644, 0)
			}
			if err != nil {
				return err
			}
			p.made++
		}
		return nil
	})
}
