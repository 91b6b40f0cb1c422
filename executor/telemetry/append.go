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
	// lockWait bounds the wait for the lock on the log. After a vain wait only the chance
	// to put the file aside is lost: an append is whole without a lock, too.
	lockWait  = 300 * time.Millisecond
	lockEvery = 2 * time.Millisecond
)

// openTries bounds the attempts to open the file while others put it aside.
const openTries = 100

// appender appends to a file while other processes append to the file and put it aside.
type appender struct {
	dir      *hostfile.Dir
	name     string
	maxSize  int64
	maxFiles int
}

// append writes lines as a whole. On a full disk, a partial write is taken back. A file
// that cannot be put aside grows.
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

// open opens the file with the name, and locks the file.
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
		f.Close() // somebody has put the file aside
		if err != nil {
			return nil, false, err
		}
	}
	return nil, false, fmt.Errorf("%s: it is put aside again and again", a.name)
}

// full tells whether the file lacks room for so many bytes.
func (a appender) full(f *os.File, more int) bool {
	info, err := f.Stat()
	return err == nil && info.Size() > 0 && info.Size()+int64(more) > a.maxSize
}

// rotate puts the file aside, as operator.log.1, under its lock. A process that waits for
// the lock then finds the file without its name.
func (a appender) rotate() error {
	for i := a.maxFiles - 1; i > 0; i-- {
		if err := a.dir.Rename(aside(a.name, i), aside(a.name, i+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return a.dir.Rename(a.name, aside(a.name, 1))
}

func aside(name string, i int) string { return fmt.Sprintf("%s.%d", name, i) }

// lock locks a file, unless another process keeps the lock for too long.
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
