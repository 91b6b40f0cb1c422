package try

import (
	"slices"
	"strings"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/executor/pipeline"
)

// maxExpanded bounds the expanded variables, in bytes.
const maxExpanded = 1 << 20

// expandNested expands variables within variables, as GitLab does before it sends a job:
// the Runner expands only once. References to raw, file and unknown variables stay. All
// references stay where they go round in circles or grow too large.
func expandNested(vars []local.Variable) []local.Variable {
	n := nesting{vars: slices.Clone(vars), last: map[string]int{}, seen: map[int]bool{}}
	for i, v := range vars {
		n.last[v.Key] = i
	}
	for _, i := range n.last {
		if !n.expand(i) {
			return vars
		}
	}
	return n.vars
}

// nesting is the state of the expansion.
type nesting struct {
	vars []local.Variable
	// last is the index of a key's last occurrence, which counts.
	last map[string]int
	// seen is false for variables under way and true for finished ones.
	seen map[int]bool
	size int
}

// expand expands a variable after the variables in its value, if possible.
func (n *nesting) expand(i int) bool {
	if done, seen := n.seen[i]; seen {
		return done
	}
	n.seen[i] = false
	var b strings.Builder
	text, from := n.vars[i].Value, 0
	for _, m := range pipeline.VariableNamed.Regexp().FindAllStringSubmatchIndex(text, -1) {
		at, ok := n.nested(i, text, m)
		if !ok {
			continue
		}
		if !n.expand(at) {
			return false
		}
		b.WriteString(text[from:m[0]])
		b.WriteString(n.vars[at].Value)
		if from = m[1]; n.size+b.Len() > maxExpanded {
			return false
		}
	}
	n.seen[i] = true
	if from > 0 {
		b.WriteString(text[from:])
		n.vars[i].Value = b.String()
		n.size += b.Len()
	}
	return n.size <= maxExpanded
}

// nested returns the index of a variable named in variable i's value.
func (n *nesting) nested(i int, text string, m []int) (at int, ok bool) {
	if n.vars[i].Raw || n.vars[i].File {
		return 0, false
	}
	for g := 2; g < len(m); g += 2 {
		if m[g] >= 0 {
			at, ok = n.last[text[m[g]:m[g+1]]]
		}
	}
	return at, ok && at != i && !n.vars[at].Raw && !n.vars[at].File
}

// expandAll replaces variables in a text by their values. Unknown variables go, as in
// GitLab, and so does text beyond the bound.
func expandAll(text string, vars []local.Variable) string {
	values := map[string]string{}
	vars = expandNested(vars)
	for range 2 { // raw values come after the rest
		rest := maxExpanded
		for _, v := range vars {
			value := v.Value
			if !v.Raw {
				value = replaceNamed(value, rest, values)
				rest -= min(rest, len(value))
			}
			values[v.Key] = value
		}
	}
	return replaceNamed(text, maxExpanded, values)
}

// replaceNamed replaces variables by their values, up to most bytes.
func replaceNamed(text string, most int, values map[string]string) string {
	text, _ = pipeline.ReplaceNamed(text, most, func(_, key string) (string, bool) { return values[key], true })
	return text
}
