package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/hostfile"
)

// lockBound bounds the wait for another process's lock.
const lockBound = 5 * time.Minute

// lockGap is the pause between two attempts, which cost microseconds each.
const lockGap = 50 * time.Millisecond

// lockDirs are places for locks, the best first. No other user can open a file in them, since
// opening a lock's file is enough to hold the lock. Root has the first directory, and so has the
// user of the units.
func lockDirs(env func(string) string) []string {
	const own = "gitlab-dind-executor"
	dirs := []string{filepath.Join("/run", own)}
	if dir := env("XDG_RUNTIME_DIR"); dir != "" {
		dirs = append(dirs, filepath.Join(dir, own))
	}
	if home := env("HOME"); home != "" {
		dirs = append(dirs, filepath.Join(home, ".local", "state", own))
	}
	return dirs
}

// Locks are locks of this host for one place, such as an engine.
type Locks struct {
	Dirs []string
	of   string
}

// NewLocks are the locks for the engine at an address.
func NewLocks(of string) *Locks { return &Locks{lockDirs(os.Getenv), of} }

// Lock lets one process of this host do a thing at a time. The kernel releases the lock when the
// process dies. After lockBound the error is a system fault, made of what and hint.
func (l *Locks) Lock(ctx context.Context, thing, what, hint string) (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, lockBound)
	defer cancel()
	f, err := l.file(thing)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(lockGap)
	defer tick.Stop()
	for {
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			return func() { f.Close() }, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			f.Close()
			return nil, fault.System(fmt.Errorf("another process has been %s for %s", what, lockBound), hint)
		}
	}
}

// slotGap is the pause between two attempts at a slot. Hundreds of processes may wait.
const slotGap = 200 * time.Millisecond

// Slot waits until fewer than count processes of this host do a thing. The caller calls free, once
// or more often, and the kernel does when the process dies. After patience, or at the end of ctx,
// the caller goes on without a slot, and so does a caller without a place for locks. A slot saves
// load, and no more.
func (l *Locks) Slot(ctx context.Context, thing string, count int, patience time.Duration) (free func()) {
	f, err := l.file(thing)
	if err != nil {
		return func() {}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(slotGap)
	defer tick.Stop()
	for {
		for i := range count { // each byte of the file is a slot
			slot := unix.Flock_t{Type: unix.F_WRLCK, Start: int64(i), Len: 1}
			if unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &slot) == nil {
				return func() { f.Close() }
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			f.Close()
			return func() {}
		}
	}
}

// shareTries is the number of attempts at a shared lock. A process that calls Shared holds the
// lock for some microseconds.
const shareTries = 10

// Share tells other processes of this host that this process does a thing, until done is called
// or the process dies. Several processes may share a thing. Without a place for locks nobody is
// told, since no work fails for that.
func (l *Locks) Share(thing string) (done func()) {
	f, err := l.file(thing)
	if err != nil {
		return func() {}
	}
	for range shareTries {
		if unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	return func() { f.Close() }
}

// Shared tells whether any process of this host does a thing, by Share.
func (l *Locks) Shared(thing string) bool {
	f, err := l.file(thing)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK)
}

// file opens the file of a lock. The file stays, because its removal would let two processes in.
func (l *Locks) file(thing string) (*os.File, error) {
	of := sha256.Sum256([]byte(l.of))
	name := thing + "-" + hex.EncodeToString(of[:8]) + ".lock"
	var errs []error
	for _, path := range l.Dirs {
		dir, err := hostfile.OpenOrMake(path)
		if err == nil {
			var f *os.File
			f, err = dir.Append(name)
			dir.Close()
			if err == nil {
				return f, nil
			}
		}
		errs = append(errs, err)
	}
	return nil, fault.System(fmt.Errorf("there is no place for a lock: %w", errors.Join(errs...)),
		"run this as root, or as a user with a home directory")
}
