package dataroot

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

const (
	// deepest is how deep entries of a seed may lie: image layers hold no deeper
	// paths, since the longest that the kernel takes has 4096 bytes.
	deepest = 2100
	// widest is how many entries a directory of a seed may have.
	widest = 10_000_000
)

// entry is a file of whatever kind, held while it is visited.
type entry struct {
	*handle
	// path is below the root.
	path string
	// depth is how many directories of the walk it lies in.
	depth int
	// link is where a symbolic link leads.
	link string
}

func (e entry) size() int64 { return int64(min(e.Size, 1<<62)) }

// walk visits what some names in a data root lead to: directories before what is in
// them, all in the same order each time.
func walk(root *dir, tops []string, visit func(entry) error) error {
	for _, top := range tops {
		if err := walkFrom(root, top, 0, visit); err != nil && !errors.Is(err, errNone) {
			return err
		}
	}
	return nil
}

// errNone says that what was to be walked is not there.
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
