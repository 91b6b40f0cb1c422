package telemetry

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// lockWait is how long a call waits for another's turn at the log. Past it
	// nothing is lost but the chance to put the file aside: one append is whole
	// without a lock, too.
	lockWait  = 300 * time.Millisecond
	lockEvery = 2 * time.Millisecond
)

// appender appends to a file that other processes append to and put aside.
type appender struct {
	path     string
	maxSize  int64
	maxFiles int
}

// append writes lines as a whole. What the disk has no room for is taken back; a
// file that cannot be put aside grows.
func (a appender) append(lines []byte) error {
	f, locked, err := a.open()
	if err != nil {
		return err
	}
	defer func() { f.Close() }()
	var stuck error
	if locked && a.maxSize > 0 && a.full(f, len(lines)) {
		if stuck = a.rotate(); stuck == nil {
			f.Close()
			if f, locked, err = a.open(); err != nil {
				return err
			}
		}
	}
	n, err := f.Write(lines)
	if err != nil && n > 0 && locked {
		if info, e := f.Stat(); e == nil {
			_ = f.Truncate(info.Size() - int64(n)) // half a line would spoil the next
		}
	}
	return errors.Join(stuck, err)
}

// open opens the file that has the name, and locks it.
func (a appender) open() (*os.File, bool, error) {
	for {
		f, err := a.create()
		if err != nil {
			return nil, false, err
		}
		locked := lock(f)
		has, err1 := f.Stat()
		named, err2 := os.Stat(a.path)
		if !locked || err1 == nil && err2 == nil && os.SameFile(has, named) {
			return f, locked, nil
		}
		f.Close() // somebody has put it aside
		if err2 != nil && !errors.Is(err2, fs.ErrNotExist) {
			return nil, false, err2
		}
	}
}

// create opens the file, or makes it: for the owner of its directory, since root
// may come before the Runner's user.
func (a appender) create() (*os.File, error) {
	// Whoever puts a pipe there must not hold hooks up.
	f, err := os.OpenFile(a.path, os.O_WRONLY|os.O_APPEND|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		dir := filepath.Dir(a.path)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		f, err = os.OpenFile(a.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NONBLOCK, 0o600)
		if err == nil && os.Geteuid() == 0 {
			if err = giveTo(f, dir); err != nil {
				f.Close()
				_ = os.Remove(a.path) // the Runner's user makes it
			}
		}
	}
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, errors.Join(err, fmt.Errorf("%s is no regular file", a.path))
	}
	return f, nil
}

// giveTo makes a file that of its directory's owner.
func giveTo(f *os.File, dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if of, ok := info.Sys().(*syscall.Stat_t); ok && of.Uid != 0 {
		return f.Chown(int(of.Uid), int(of.Gid))
	}
	return nil
}

// full tells whether the file has no room for so many bytes.
func (a appender) full(f *os.File, more int) bool {
	info, err := f.Stat()
	return err == nil && info.Size() > 0 && info.Size()+int64(more) > a.maxSize
}

// rotate puts the file aside, as operator.log.1. Its lock is held: who waits for
// it finds that the file has lost its name.
func (a appender) rotate() error {
	for i := a.maxFiles - 1; i > 0; i-- {
		if err := os.Rename(aside(a.path, i), aside(a.path, i+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return os.Rename(a.path, aside(a.path, 1))
}

func aside(path string, i int) string { return fmt.Sprintf("%s.%d", path, i) }

// lock locks a file, unless another keeps it for too long.
func lock(f *os.File) bool {
	for until := time.Now().Add(lockWait); ; time.Sleep(lockEvery) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return true
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) || time.Now().After(until) {
			return false
		}
	}
}
