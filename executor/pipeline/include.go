package pipeline

import (
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// includes are the files of the tree that an include names. What comes from
// elsewhere is not fetched.
func (r *reader) includes(n *node) ([]string, error) {
	items := []*node{n}
	if n.kind == list {
		items = n.items
	}
	var out []string
	for _, i := range items {
		local, err := r.localInclude(i)
		if err != nil {
			return nil, err
		}
		if local == "" {
			continue
		}
		if !strings.ContainsAny(local, "*") {
			out = append(out, local)
			continue
		}
		matches, err := doublestar.Glob(r.files, local, doublestar.WithFilesOnly())
		if err != nil {
			return nil, i.faultf("* and ** stand for names", "include: %q is no pattern", local)
		}
		slices.Sort(matches)
		out = append(out, matches...)
	}
	return out, nil
}

// localInclude is the path of a local include, or "" after a warning.
func (r *reader) localInclude(n *node) (string, error) {
	switch n.kind {
	case scalar:
		if strings.Contains(n.text, "://") {
			r.warnf("not understood here: include:remote")
			return "", nil
		}
		return cleanPath(n.text), nil
	case mapping:
		local := ""
		for _, e := range n.entries {
			if e.key == "local" && e.value.kind == scalar {
				local = cleanPath(e.value.text)
				continue
			}
			if e.key != "ref" && e.key != "file" { // they belong to project
				r.warnf("not understood here: include:%s", e.key)
			}
		}
		return local, nil
	default:
		return "", n.faultf("such as include: ci/build.yml", "include is no path")
	}
}
