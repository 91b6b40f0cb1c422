package telemetry

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"gitlab-dind-executor/hostfile"
)

const (
	// lockWait is how long a call waits for another's turn at the log. Past it
	// nothing is lost but the chance to put the file aside: one append is whole
	// without a lock, too.
	lockWait  = 300 * time.Millisecond
	lockEvery = 2 * time.Millisecond
)

// openTries bounds how often the file is opened again that others put aside.
const openTries = 100

// appender appends to a file that other processes append to and put aside.
type appender struct {
	dir      *hostfile.Dir
	name     string
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
	for range openTries {
		f, err := a.dir.Append(a.name)
		if err != nil {
			return nil, false, err
		}
		locked := lock(f)
		named, err := a.dir.IsNamed(f, a.name)
		if !locked || named && err == nil {
			return f, locked, nil
		}
		f.Close() // somebody has put it aside
		if err != nil {
			return nil, false, err
		}
	}
	return nil, false, fmt.Errorf("%s: it is put aside again and again", a.name)
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
		if err := a.dir.Rename(aside(a.name, i), aside(a.name, i+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return a.dir.Rename(a.name, aside(a.name, 1))
}

func aside(name string, i int) string { return fmt.Sprintf("%s.%d", name, i) }

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
