package dataroot

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

const (
	// deepest is the largest depth of entries in a seed. Image layers hold no deeper paths, since
	// the kernel takes paths of at most 4096 bytes.
	deepest = 2100
	// widest is the largest number of entries in a directory of a seed.
	widest = 10_000_000
)

// entry is a file of any kind, held during its visit.
type entry struct {
	*handle
	// path is below the root.
	path string
	// depth is the number of directories of the walk above the entry.
	depth int
	// link is the target of a symbolic link.
	link string
}

func (e entry) size() int64 { return int64(min(e.Size, 1<<62)) }

// walk visits the named entries of a data root and everything beneath. A directory comes before
// its content, and the order is always the same.
func walk(root *dir, tops []string, visit func(entry) error) error {
	for _, top := range tops {
		if err := walkFrom(root, top, 0, visit); err != nil && !errors.Is(err, errNone) {
			return err
		}
	}
	return nil
}

// errNone is returned when the start of a walk does not exist.
var errNone = errors.New("it is not there")

func walkFrom(in *dir, name string, depth int, visit func(entry) error) error {
	if depth > deepest {
		return fmt.Errorf("%s lies too deep", in.show(name))
	}
	h, err := in.look(name)
	if errors.Is(err, unix.ENOENT) && depth == 0 {
		return errNone
	}
	if err != nil {
		return fmt.Errorf("%s: %w", in.show(name), mounted(err))
	}
	defer h.close()
	e := entry{handle: h, path: in.below(name), depth: depth}
	if h.isLink() {
		if e.link, err = in.readlink(name); err != nil {
			return err
		}
	}
	if err := visit(e); err != nil || !h.isDir() {
		return err
	}
	d, err := in.enter(name)
	if err != nil {
		return fmt.Errorf("%s: %w", in.show(name), mounted(err))
	}
	defer d.close()
	names, err := d.names(widest)
	if err != nil {
		return fmt.Errorf("reading %s: %w", shown(d.at), err)
	}
	slices.Sort(names)
	for _, n := range names {
		if err := walkFrom(d, n, depth+1, visit); err != nil {
			return err
		}
	}
	return nil
}
