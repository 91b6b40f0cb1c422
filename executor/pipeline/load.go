package pipeline

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"gitlab-dind-executor/fault"
)

// maxFile bounds a file, in bytes, and maxFiles the number of includes.
const (
	maxFile  = 1 << 20
	maxFiles = 150
)

// load reads a file with its includes. The includes' keys come first, and the file's own
// override them.
func (r *reader) load(i included, seen map[string]bool) (*node, error) {
	name := i.name
	key, err := r.key(i)
	if err != nil {
		return nil, err
	}
	if seen[key] {
		return &node{kind: mapping}, nil // as in GitLab: the earlier include counts
	}
	if len(seen) > 0 { // the first may be any file: a person has named it
		if err := r.ofRepository(name); err != nil {
			return nil, err
		}
	}
	if seen[key] = true; len(seen) > maxFiles {
		return nil, fault.Job(fmt.Errorf("%s: more than %d files are included", name, maxFiles), "GitLab takes no more either")
	}
	text, err := r.file(name)
	if err != nil {
		return nil, err
	}
	if text, err = r.interpolated(name, text, i.inputs); err != nil {
		return nil, err
	}
	docs, err := r.parse(name, text)
	if err != nil {
		return nil, err
	}
	if len(docs) == 0 {
		return nil, fault.Job(fmt.Errorf("%s: the file is empty", name), "write a job: a name with a script below it")
	}
	if n := docs[0]; n.kind != mapping {
		return nil, n.faultf("a job is a name with a colon, and a script below it", "this is not a mapping of jobs")
	}
	base := &node{kind: mapping, file: name, line: 1}
	if inc := docs[0].get("include"); inc != nil {
		names, err := r.includes(inc)
		if err != nil {
			return nil, err
		}
		for _, i := range names {
			other, err := r.load(i, seen)
			if err != nil {
				return nil, err
			}
			if base, err = r.merge(base, other); err != nil {
				return nil, err
			}
		}
	}
	return r.merge(base, docs[0])
}

// file reads a file of the tree.
func (r *reader) file(name string) ([]byte, error) {
	info, err := fs.Stat(r.files, name)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a file")
	}
	if err == nil && info.Size() > maxFile {
		err = fmt.Errorf("it has %d bytes, more than %d", info.Size(), maxFile)
	}
	var text []byte
	if err == nil {
		text, err = fs.ReadFile(r.files, name)
	}
	if err != nil {
		return nil, unread(name, err)
	}
	return text, nil
}

// ofRepository refuses files that GitLab has not. A file ignored by git may hold a person's
// own secrets, and a link may lead anywhere.
func (r *reader) ofRepository(name string) error {
	info, err := fs.Lstat(r.files, name)
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		err = errors.New("it is a link, which GitLab does not follow")
	}
	if err != nil {
		return unread(name, err)
	}
	listed, err := r.listed(name)
	if err == nil && !listed {
		err = unread(name, errors.New("it is none of the repository's files: git ignores it, or it is of git itself or of a submodule"))
	}
	return err
}

// unread is the fault of a file that cannot be read.
func unread(name string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return fault.Job(fmt.Errorf("reading %s: %w", name, err), "name a file of the repository; local includes count from its top")
}

// cleanPath returns the path in the tree for a local include.
func cleanPath(p string) string { return strings.TrimPrefix(path.Clean("/"+p), "/") }
