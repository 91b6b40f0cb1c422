package pipeline

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// GitLab's own bounds.
const (
	maxExtends    = 11
	maxReferences = 10
)

// merge lays a mapping over another, key by key and recursively. Any other value is
// replaced.
func (r *reader) merge(base, over *node) (*node, error) {
	if base == nil || base.kind != mapping || over.kind != mapping {
		return over, nil
	}
	out := &node{kind: mapping, file: over.file, line: over.line, entries: slices.Clone(base.entries), odd: cmp.Or(over.odd, base.odd)}
	if err := r.copied(out); err != nil {
		return nil, err
	}
	places := map[string]int{}
	for i, e := range base.entries {
		places[e.key] = i
	}
	for _, e := range over.entries {
		if err := r.count(out); err != nil {
			return nil, err
		}
		i, there := places[e.key]
		if !there {
			out.entries = append(out.entries, e)
			continue
		}
		v, err := r.merge(base.entries[i].value, e.value)
		if err != nil {
			return nil, err
		}
		out.entries[i] = entry{e.key, e.line, v}
	}
	return out, nil
}

// extendAll merges the jobs of each job's extends into the job.
func (r *reader) extendAll(root *node) (*node, error) {
	out := &node{kind: mapping, file: root.file, line: root.line}
	for _, e := range root.entries {
		if !slices.Contains(globals, e.key) {
			v, err := r.extend(root, e, 0)
			var lacks *missing
			switch {
			case errors.As(err, &lacks):
				r.cannot[e.key] = lacks.text
			case err != nil:
				return nil, err
			default:
				e.value = v
			}
		}
		out.entries = append(out.entries, e)
	}
	return out, nil
}

// extend returns a job merged over the jobs of its extends, the last of them over the
// first.
func (r *reader) extend(root *node, e entry, depth int) (*node, error) {
	job := e.value
	ext := job.get("extends")
	if ext == nil {
		return job, nil
	}
	if depth >= maxExtends {
		return nil, ext.faultf("does it extend itself?", "%s: extends is nested more than %d deep", e.key, maxExtends)
	}
	names, err := r.words(ext, e.key+": extends")
	if err != nil {
		return nil, err
	}
	var base *node
	for _, name := range names {
		if err := r.count(ext); err != nil {
			return nil, err
		}
		from := root.get(name)
		if from == nil {
			return nil, r.lacking(ext.faultf("name a job of this pipeline or of a local include", "%s extends %q, which is not there", e.key, name),
				fmt.Sprintf("%s extends %s, which is not here", e.key, name))
		}
		if from, err = r.extend(root, entry{name, ext.line, from}, depth+1); err != nil {
			return nil, err
		}
		if base == nil {
			base = from
		} else if base, err = r.merge(base, from); err != nil {
			return nil, err
		}
	}
	if base == nil {
		return job, nil
	}
	out, err := r.merge(base, job)
	if err != nil {
		return nil, err
	}
	out.entries = slices.DeleteFunc(slices.Clone(out.entries), func(e entry) bool { return e.key == "extends" })
	return out, nil
}

// resolve replaces references in n by their targets.
func (r *reader) resolve(n *node, depth int) (*node, error) {
	if n == nil || n.kind == null || n.kind == scalar {
		return n, nil
	}
	if done, known := r.resolved[n]; known {
		if done == nil {
			return nil, n.faultf("follow it: it leads back to itself", "a reference goes round in circles")
		}
		return done, nil
	}
	if err := r.lacked[n]; err != nil {
		return nil, err
	}
	r.resolved[n] = nil
	out, err := r.resolveIn(n, depth)
	if err != nil {
		delete(r.resolved, n) // another job may come by here
		r.lacked[n] = err
		return nil, err
	}
	r.resolved[n] = out
	return out, nil
}

// resolveIn replaces the references in a node.
func (r *reader) resolveIn(n *node, depth int) (*node, error) {
	out := &node{kind: n.kind, file: n.file, line: n.line, odd: n.odd}
	switch n.kind {
	case list:
		for _, i := range n.items {
			v, err := r.resolve(i, depth)
			if err != nil {
				return nil, err
			}
			out.items = append(out.items, v)
		}
	case mapping:
		for _, e := range n.entries {
			v, err := r.resolve(e.value, depth)
			if err != nil {
				return nil, err
			}
			out.entries = append(out.entries, entry{e.key, e.line, v})
		}
	case reference:
		if depth >= maxReferences {
			return nil, n.faultf("follow it: does it lead back to itself?", "references are nested more than %d deep", maxReferences)
		}
		to := r.root
		for _, word := range n.path {
			if to = to.get(word); to == nil {
				return nil, r.lacking(n.faultf("name a job of this pipeline and a keyword of it", "there is nothing at !reference [%s]", strings.Join(n.path, ", ")),
					fmt.Sprintf("there is nothing here at !reference [%s]", strings.Join(n.path, ", ")))
			}
		}
		v, err := r.resolve(to, depth+1)
		if err != nil {
			return nil, err
		}
		out = v
	}
	return out, nil
}
