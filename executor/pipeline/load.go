package pipeline

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"gitlab-dind-executor/fault"
)

// maxFile bounds a file, in bytes, and maxFiles how many are included.
const (
	maxFile  = 1 << 20
	maxFiles = 150
)

// load reads a file with what it includes: the includes' keys first, its own
// over them.
func (r *reader) load(i included, seen map[string]bool) (*node, error) {
	name := i.name
	key, err := r.key(i)
	if err != nil {
		return nil, err
	}
	if seen[key] {
		return &node{kind: mapping}, nil // as GitLab does: what is there already counts
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
		var p *fs.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		return nil, fault.Job(fmt.Errorf("reading %s: %w", name, err), "name a file of the repository; local includes count from its top")
	}
	return text, nil
}

// cleanPath makes a path of the tree of a local include's.
func cleanPath(p string) string { return strings.TrimPrefix(path.Clean("/"+p), "/") }
