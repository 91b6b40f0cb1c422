package pipeline

import (
	"errors"
	"io/fs"
	"slices"
)

// errCrowded is of a tree with more files than are looked at.
var errCrowded = errors.New("there are too many files")

// tree are the paths of the files, sorted.
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

// listed tells a file that is among those of the tree.
func (r *reader) listed(name string) (bool, error) {
	if r.input.Files == nil {
		return true, nil
	}
	paths, err := r.tree()
	_, there := slices.BinarySearch(paths, name)
	return there, err
}

// walk calls found for each file below a folder, and descends where into says so.
// It follows no links, as there are none where GitLab looks; those of a workspace's
// packages lead round in circles.
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
		case err != nil: // it is not there, or not for us
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

// changed are the paths that differ from a ref, or that a push would change.
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

// comparison is what is known of the paths that differ from a ref.
type comparison struct {
	paths []string
	known bool
}
