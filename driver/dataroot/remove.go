package dataroot

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

const (
	// flat is the number of directory levels open at once. A deeper directory is moved up to the
	// first level, so any depth needs the same number of descriptors.
	flat = 48
	// steep is the depth at which the work ends if a directory cannot be moved up.
	steep = 400
	// told is the number of faults reported.
	told = 3
	// patience is the number of passes over a directory without a removal before the work ends.
	// Somebody who moves directories meanwhile causes such passes.
	patience = 3
)

// remover removes the content of directories.
type remover struct {
	ctx     context.Context
	limit   int
	removed int
	faults  []error
}

// level is a directory that is being emptied.
type level struct {
	*dir
	reader
	// name is the directory's name in the level above.
	name string
	// gone counts the entries removed since the last rewind, and stuck those that resist.
	gone, stuck int
}

func newLevel(d *dir, name string) *level { return &level{dir: d, reader: reader{d: d}, name: name} }

// rewind reads the directory from its beginning.
func (l *level) rewind() error {
	l.gone, l.stuck, l.some = 0, 0, nil
	_, err := unix.Seek(l.fd, 0, io.SeekStart)
	return err
}

// empty removes the content of a directory. An entry that resists stops nothing else, and is part
// of the error.
func (r *remover) empty(base *dir) error {
	first := newLevel(base, "")
	stack := []*level{first}
	defer func() {
		for _, l := range stack[1:] {
			l.close()
		}
	}()
	if err := first.rewind(); err != nil {
		return err
	}
	if _, err := unflag(base.fd, unix.STATX_ATTR_IMMUTABLE|unix.STATX_ATTR_APPEND|fsProjInherit); err != nil {
		r.fault(fmt.Errorf("flags of the root: %w", err))
	}
	idle := 0
	for {
		l := stack[len(stack)-1]
		if err := r.bound(); err != nil {
			return err
		}
		name, err := l.next()
		if err != nil {
			r.fault(fmt.Errorf("reading %s: %w", shown(l.at), err))
			l.stuck++
		}
		if name != "" {
			inner, err := r.one(l, name, len(stack), first)
			switch {
			case err != nil:
				l.stuck++
				r.fault(fmt.Errorf("%s: %w", l.show(name), err))
			case inner != nil:
				stack = append(stack, inner)
			default:
				l.gone++
				r.removed++
			}
			continue
		}
		if l == first {
			if l.gone == 0 {
				if idle++; l.stuck == 0 || idle == patience {
					return errors.Join(r.faults...)
				}
			}
			r.faults = nil // the next try reports again
			if err := l.rewind(); err != nil {
				return err
			}
			continue
		}
		up := stack[len(stack)-2]
		err = r.rmdir(up.dir, l.name)
		if errors.Is(err, unix.ENOTEMPTY) && l.stuck == 0 && l.gone > 0 {
			if err := l.rewind(); err != nil {
				return err
			}
			continue
		}
		l.close()
		stack = stack[:len(stack)-1]
		if err != nil {
			up.stuck++
			if l.stuck == 0 {
				r.fault(fmt.Errorf("%s: %w", up.show(l.name), err))
			}
			continue
		}
		up.gone++
		r.removed++
	}
}

// all removes an entry and everything beneath.
func (r *remover) all(d *dir, name string) error {
	inner, err := r.one(newLevel(d, ""), name, 0, nil)
	if err != nil {
		return err
	}
	if inner != nil {
		defer inner.close()
		if err := r.empty(inner.dir); err != nil {
			return err
		}
		if err := r.rmdir(d, name); err != nil {
			return err
		}
	}
	r.removed++
	return nil
}

// fault records an error, up to told of them.
func (r *remover) fault(err error) {
	if len(r.faults) < told {
		r.faults = append(r.faults, err)
	}
}

// bound is an error when the context is over or the limit is reached.
func (r *remover) bound() error {
	if r.ctx.Err() != nil {
		return context.Cause(r.ctx)
	}
	if r.removed >= r.limit {
		return fmt.Errorf("more than %d entries are to be removed", r.limit)
	}
	return nil
}

// one removes an entry. A directory with content is opened and returned instead.
func (r *remover) one(l *level, name string, depth int, first *level) (*level, error) {
	err := unix.Unlinkat(l.fd, name, 0)
	if refused(err) {
		if terr := l.open(); terr != nil {
			return nil, terr
		}
		if _, terr := l.thawEntry(name); terr != nil && !errors.Is(terr, unix.ENOENT) {
			return nil, mounted(terr)
		}
		err = unix.Unlinkat(l.fd, name, 0)
	}
	switch {
	case err == nil, errors.Is(err, unix.ENOENT):
		return nil, nil
	case !errors.Is(err, unix.EISDIR):
		return nil, mounted(err)
	}
	if r.rmdir(l.dir, name) == nil {
		return nil, nil
	}
	if depth >= flat {
		err := l.moveTo(name, first.dir, randomName())
		if err == nil || errors.Is(err, unix.ENOENT) {
			first.gone++ // the moved directory needs another pass
			return nil, nil
		}
		if depth >= steep {
			return nil, fmt.Errorf("it lies too deep, and cannot be moved: %w", err)
		}
	}
	inner, err := l.enter(name)
	if errors.Is(err, unix.EACCES) {
		if err = l.permit(name); err == nil {
			inner, err = l.enter(name)
		}
	}
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
		return nil, nil // the entry has changed; the next pass looks again
	case err != nil:
		return nil, mounted(err)
	}
	if _, err := thaw(inner.fd); err != nil {
		inner.close()
		return nil, err
	}
	if depth > 8 {
		inner.at = l.at // longer paths do not help in a message
	}
	return newLevel(inner, name), nil
}

// rmdir removes an empty directory.
func (r *remover) rmdir(d *dir, name string) error {
	err := unix.Unlinkat(d.fd, name, unix.AT_REMOVEDIR)
	if refused(err) {
		if terr := d.open(); terr != nil {
			return terr
		}
		if _, terr := d.thawEntry(name); terr == nil {
			err = unix.Unlinkat(d.fd, name, unix.AT_REMOVEDIR)
		}
	}
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return mounted(err)
}

// moveTo renames an entry into another directory of the same data root.
func (d *dir) moveTo(name string, to *dir, as string) error {
	err := unix.Renameat2(d.fd, name, to.fd, as, unix.RENAME_NOREPLACE)
	if refused(err) {
		for _, d := range []*dir{d, to} {
			if err := d.open(); err != nil {
				return err
			}
		}
		if _, err := d.thawEntry(name); err != nil {
			return mounted(err)
		}
		err = unix.Renameat2(d.fd, name, to.fd, as, unix.RENAME_NOREPLACE)
	}
	return mounted(err)
}

// ErrMounted is returned when something else is mounted inside a data root. The mount stays
// untouched.
var ErrMounted = errors.New("something is mounted there")

// mounted adds ErrMounted to the kernel's errors about mounts.
func mounted(err error) error {
	if errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EXDEV) {
		return fmt.Errorf("%w: %w", ErrMounted, err)
	}
	return err
}

// randomName is a name that nobody can have guessed.
func randomName() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // rand.Read never fails
	return Dir + ".gone-" + hex.EncodeToString(b[:])
}
