package hostfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"gitlab-dind-executor/fault"
)

// Open opens a directory for our own files. Open follows links made by root or by this
// process's user. Open refuses a directory writable for any user unless the directory is
// sticky, and a stranger's directory below a sticky directory.
func Open(name string) (*Dir, error) { return open(name, walk{}) }

// OpenOrMake is Open for a directory that may be missing. OpenOrMake makes the directory
// and all above it for this process's user alone.
func OpenOrMake(name string) (*Dir, error) { return open(name, walk{make: true}) }

// OpenForeign opens a directory with content by anybody, such as a volume's. The
// directories above are judged as by Open.
func OpenForeign(name string) (*Dir, error) { return open(name, walk{foreign: true}) }

// OpenAbove opens the directory of a file as Open does, and returns the file's name in this
// directory. Where the name is a link made by root or by this process's user, directory and
// name are those of the link's target.
func OpenAbove(name string) (*Dir, string, error) {
	for range mostLinks {
		dir, err := Open(filepath.Dir(name))
		if err != nil {
			return nil, "", err
		}
		target, err := dir.linkOf(filepath.Base(name))
		if err != nil {
			dir.Close()
			return nil, "", err
		}
		if target == "" {
			return dir, filepath.Base(name), nil
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(dir.path, target)
		}
		if _, err := os.Lstat(target); err != nil { // the link leads nowhere
			return dir, filepath.Base(name), nil
		}
		dir.Close()
		name = target
	}
	return nil, "", &os.PathError{Op: "open", Path: name, Err: unix.ELOOP}
}

// linkOf returns the target of a link of ours, or "" where no link is.
func (d *Dir) linkOf(name string) (string, error) {
	fd, st, err := d.look(name)
	if errors.Is(err, unix.ENOENT) {
		return "", nil
	}
	if err != nil {
		return "", d.fault("open", name, err)
	}
	defer unix.Close(fd)
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		return "", nil
	}
	return readLink(fd, st, filepath.Join(d.path, name))
}

// readLink returns the target of a link made by root or by this process's user.
func readLink(fd int, st unix.Stat_t, name string) (string, error) {
	if !ours(st.Uid) {
		return "", refused(name, fmt.Sprintf("is a link of user %d", st.Uid))
	}
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buf)
	if err != nil {
		return "", &os.PathError{Op: "readlink", Path: name, Err: err}
	}
	return string(buf[:n]), nil
}

// WriteFile writes a file as Dir.Write does, in a directory as Open opens it.
func WriteFile(name string, content []byte, mode fs.FileMode) error {
	dir, err := Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Write(filepath.Base(name), content, mode)
}

// walk is a way from the root to a directory.
type walk struct {
	// make makes missing directories; foreign does not judge the last directory.
	make, foreign bool
	// links counts followed links.
	links int
}

// mostLinks is the kernel's own bound on links in one name.
const mostLinks = 40

func open(name string, w walk) (*Dir, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	d, err := root()
	if err != nil {
		return nil, err
	}
	steps := strings.Split(strings.Trim(abs, "/"), "/")
	for len(steps) > 0 {
		step := steps[0]
		steps = steps[1:]
		if step == "" || step == "." {
			continue
		}
		next, more, err := d.step(step, &w, len(steps) == 0)
		d.Close()
		if err != nil {
			return nil, err
		}
		d = next
		steps = append(more, steps...)
	}
	d.path = abs
	return d, nil
}

func root() (*Dir, error) {
	fd, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: "/", Err: err}
	}
	return &Dir{fd: fd, path: "/"}, nil
}

// step goes one name further. For a link, step returns the directory where the link starts
// from, and the names in the link's target.
func (d *Dir) step(name string, w *walk, last bool) (*Dir, []string, error) {
	fd, st, err := d.look(name)
	if errors.Is(err, unix.ENOENT) && w.make {
		if err := unix.Mkdirat(d.fd, name, 0o700); err != nil && !errors.Is(err, unix.EEXIST) {
			return nil, nil, d.fault("mkdir", name, err)
		}
		fd, st, err = d.look(name)
	}
	if err != nil {
		return nil, nil, d.fault("open", name, err)
	}
	next := &Dir{fd: fd, path: filepath.Join(d.path, name), owner: st.Uid}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		if what := d.wrongDir(st, w.foreign && last); what != "" {
			next.Close()
			return nil, nil, fault.System(fmt.Errorf("%s %s: %w", next.path, what, ErrRefused), "name another directory in the settings, or mend its mode and owner")
		}
		return next, nil, nil
	case unix.S_IFLNK:
		defer next.Close()
		return d.follow(next, st, w)
	}
	next.Close()
	return nil, nil, d.fault("open", name, unix.ENOTDIR)
}

func (d *Dir) look(name string) (fd int, st unix.Stat_t, err error) {
	fd, err = retried(func() (int, error) {
		return unix.Openat(d.fd, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return -1, st, err
	}
	if err = unix.Fstat(fd, &st); err != nil {
		_ = unix.Close(fd)
	}
	return fd, st, err
}

// wrongDir says what is wrong with a directory in d, or "".
func (d *Dir) wrongDir(st unix.Stat_t, foreign bool) string {
	var above unix.Stat_t
	if err := unix.Fstat(d.fd, &above); err != nil {
		return "is in a directory that nobody can look at"
	}
	switch {
	case above.Mode&unix.S_IWOTH != 0 && !ours(st.Uid):
		return fmt.Sprintf("belongs to user %d, and any user can make one there", st.Uid)
	case !foreign && st.Mode&unix.S_IWOTH != 0 && st.Mode&unix.S_ISVTX == 0:
		return "can be written by any user"
	}
	return ""
}

func ours(uid uint32) bool { return uid == 0 || uid == uint32(os.Geteuid()) }

// follow returns the directory where a link starts from, and the names in its target.
func (d *Dir) follow(link *Dir, st unix.Stat_t, w *walk) (*Dir, []string, error) {
	if w.links++; w.links > mostLinks {
		return nil, nil, &os.PathError{Op: "open", Path: link.path, Err: unix.ELOOP}
	}
	target, err := readLink(link.fd, st, link.path)
	if err != nil {
		return nil, nil, err
	}
	steps := strings.Split(strings.Trim(target, "/"), "/")
	if strings.HasPrefix(target, "/") {
		from, err := root()
		return from, steps, err
	}
	fd, err := unix.FcntlInt(uintptr(d.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, nil, d.fault("open", ".", err)
	}
	return &Dir{fd: fd, path: d.path, owner: d.owner}, steps, nil
}
