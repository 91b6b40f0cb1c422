package pipeline

import (
	"errors"
	"io/fs"
	"slices"
)

// errCrowded marks a tree with too many files.
var errCrowded = errors.New("there are too many files")

// tree returns the paths of the files, sorted.
func (r *reader) tree() ([]string, error) {
	if r.paths != nil {
		return r.paths, nil
	}
	var paths []string
	var err error
	if r.input.Files != nil {
		paths, err = r.input.Files()
		slices.Sort(paths)
	} else {
		err = r.walk(".", func(string) bool { return true }, func(name string) { paths = append(paths, name) })
	}
	if err != nil {
		return nil, err
	}
	r.paths = append([]string{}, paths...)
	return r.paths, nil
}

// listed tells whether a file is in the tree.
func (r *reader) listed(name string) (bool, error) {
	if r.input.Files == nil {
		return true, nil
	}
	paths, err := r.tree()
	_, there := slices.BinarySearch(paths, name)
	return there, err
}

// walk calls found for each file below a folder, and descends into a folder if into returns
// true. walk follows no links: GitLab follows none, and links between a workspace's
// packages lead in circles.
func (r *reader) walk(from string, into func(dir string) bool, found func(name string)) error {
	entries := 0
	return fs.WalkDir(r.files, from, func(name string, e fs.DirEntry, err error) error {
		if r.ctx.Err() != nil {
			return r.ctx.Err()
		}
		if entries++; entries > maxEntries {
			return errCrowded
		}
		switch {
		case err != nil: // missing, or not for us
			return fs.SkipDir
		case e.Name() == ".git":
			if e.IsDir() {
				return fs.SkipDir
			}
		case e.IsDir() && name != "." && !into(name):
			return fs.SkipDir
		case e.Type().IsRegular():
			found(name)
		}
		return nil
	})
}

// changed returns the paths that differ from a ref, or that a push would change.
func (r *reader) changed(ref string) (paths []string, known bool) {
	if r.input.Changed == nil {
		return nil, false
	}
	if c, asked := r.compared[ref]; asked {
		return c.paths, c.known
	}
	paths, known = r.input.Changed(ref)
	r.compared[ref] = comparison{paths, known}
	return paths, known
}

// comparison holds the paths that differ from a ref, if known.
type comparison struct {
	paths []string
	known bool
}
