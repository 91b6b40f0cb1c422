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
	// flat is how many levels are open at once. A directory that lies deeper is
	// moved up beside the first level, so that no depth needs more descriptors.
	flat = 48
	// steep is where the work ends if a directory cannot be moved up.
	steep = 400
	// told is how many faults are told of.
	told = 3
	// patience is how often all is read from its beginning in which nothing can be
	// removed. Somebody who moves directories meanwhile makes that happen.
	patience = 3
)

// remover removes what is in directories.
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
	// name is the one that it has in the level before.
	name string
	// gone and stuck are how many entries went since it was read from its
	// beginning, and how many could not.
	gone, stuck int
}

func newLevel(d *dir, name string) *level { return &level{dir: d, reader: reader{d: d}, name: name} }

// rewind reads the directory from its beginning.
func (l *level) rewind() error {
	l.gone, l.stuck, l.some = 0, 0, nil
	_, err := unix.Seek(l.fd, 0, io.SeekStart)
	return err
}

// empty removes all that is in a directory. What cannot be removed stops nothing
// else; the error tells of it.
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
			r.faults = nil // what is tried again is told of again
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

// all removes one entry and all beneath it.
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

// fault notes what could not be removed.
func (r *remover) fault(err error) {
	if len(r.faults) < told {
		r.faults = append(r.faults, err)
	}
}

// bound ends the work when it is too much.
func (r *remover) bound() error {
	if r.ctx.Err() != nil {
		return context.Cause(r.ctx)
	}
	if r.removed >= r.limit {
		return fmt.Errorf("more than %d entries are to be removed", r.limit)
	}
	return nil
}

// one removes an entry, or opens the directory that it is.
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
			first.gone++ // there is more to do
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
		return nil, nil // it has changed: the next pass sees what it is
	case err != nil:
		return nil, mounted(err)
	}
	if _, err := thaw(inner.fd); err != nil {
		inner.close()
		return nil, err
	}
	if depth > 8 {
		inner.at = l.at // long enough for a message
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

// ErrMounted says that something else is mounted within a data root. Nothing of
// it is touched.
var ErrMounted = errors.New("something is mounted there")

// mounted explains how the kernel refuses what has to do with mounts.
func mounted(err error) error {
	if errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EXDEV) {
		return fmt.Errorf("%w: %w", ErrMounted, err)
	}
	return err
}

// randomName is a name that nobody can have chosen before.
func randomName() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // it never fails
	return Dir + ".gone-" + hex.EncodeToString(b[:])
}
