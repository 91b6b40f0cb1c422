package pipeline

import (
	"fmt"
	"strconv"
	"strings"

	"gitlab-dind-executor/wary"
)

// maxParallel is GitLab's bound on the copies of a job.
const maxParallel = 200

// fewer is the hint for a name that is too long.
const fewer = "GitLab takes no more: all values of a matrix are in the names of its jobs"

// instance is a copy of a job by parallel.
type instance struct {
	name         string
	matrix       []Variable
	index, total int
}

// instances returns a job's copies by parallel, in GitLab's order. value reads a value.
func (r *reader) instances(name string, n *node, value func(*node) (string, error)) ([]instance, error) {
	if n == nil || n.kind == null {
		return []instance{{name: name}}, nil
	}
	what := name + ": parallel"
	if n.kind != mapping {
		total, err := strconv.Atoi(n.text)
		if n.kind != scalar || n.typed != isInteger || err != nil || total < 1 || total > maxParallel {
			return nil, n.faultf("such as parallel: 3", "%s is no number from 1 to %d", what, maxParallel)
		}
		var all []instance
		for i := 1; i <= total; i++ {
			all = append(all, instance{name: fmt.Sprintf("%s %d/%d", name, i, total), index: i, total: total})
		}
		return all, nil
	}
	m := n.get("matrix")
	if m == nil || m.kind != list || len(m.items) == 0 || len(n.entries) != 1 {
		return nil, n.faultf("such as parallel: {matrix: [{ARCH: [amd64, arm64]}]}", "%s:matrix is no list of mappings", what)
	}
	var all []instance
	for _, variables := range m.items {
		some, err := r.products(variables, what+":matrix", value)
		if err != nil {
			return nil, err
		}
		for _, vars := range some {
			all = append(all, instance{matrix: vars})
		}
		if len(all) > maxParallel {
			return nil, m.faultf("GitLab makes no more either", "%s:matrix makes more than %d jobs", what, maxParallel)
		}
	}
	return numbered(name, all, n)
}

// products returns all combinations of a mapping's values. The last value changes fastest.
func (r *reader) products(n *node, what string, value func(*node) (string, error)) ([][]Variable, error) {
	all := [][]Variable{nil}
	if n.kind == mapping && len(n.entries) == 0 {
		return nil, n.faultf("such as - ARCH: [amd64, arm64]", "%s: an entry is empty", what)
	}
	if len(n.entries) > maxName/2 {
		return nil, n.faultf(fewer, "%s makes a name of a job of more than %d characters", what, maxName)
	}
	err := r.keys(n, what, func(e entry) error {
		items, err := r.flat(e.value)
		if err != nil {
			return err
		}
		if len(items) == 0 {
			return e.fault("a word or a list of words", "%s: %s has no value", what, e.key)
		}
		if len(all)*len(items) > maxParallel {
			return e.fault("GitLab makes no more either", "%s makes more than %d jobs", what, maxParallel)
		}
		var more [][]Variable
		for _, before := range all {
			for _, i := range items {
				if i.kind != scalar || i.typed == isFloat || i.typed == isBoolean {
					return e.fault("put values in quotes", "%s: a value of %s is neither a text nor a whole number", what, e.key)
				}
				text, err := value(i)
				if err != nil {
					return err
				}
				if tooLong(text) {
					return e.fault(fewer, "%s makes a name of a job of more than %d characters", what, maxName)
				}
				if err := r.count(i); err != nil {
					return err
				}
				more = append(more, append(before[:len(before):len(before)], Variable{Key: e.key, Value: text}))
			}
		}
		all = more
		return nil
	})
	return all, err
}

// numbered gives the jobs of a matrix their names and numbers. Of several with the same
// name the last counts.
func numbered(name string, all []instance, n *node) ([]instance, error) {
	places := map[string]int{}
	var out []instance
	for i, one := range all {
		var values []string
		for _, v := range one.matrix {
			values = append(values, v.Value)
		}
		one.name = name + ": [" + strings.Join(values, ", ") + "]"
		if tooLong(one.name) {
			return nil, n.faultf(fewer, "%s: parallel:matrix makes a name of a job of more than %d characters", name, maxName)
		}
		one.index, one.total = i+1, len(all)
		if wary.Text(one.name) != one.name || strings.ContainsAny(one.name, "\n\t") {
			return nil, n.faultf("letters, digits, spaces and such", "%q is no name of a job", one.name)
		}
		if at, there := places[one.name]; there {
			out[at] = one
			continue
		}
		places[one.name] = len(out)
		out = append(out, one)
	}
	return out, nil
}

// plain returns a value unchanged.
func plain(n *node) (string, error) { return n.text, nil }
