package pipeline

import (
	"encoding/json"
	"errors"
	"path"
	"regexp"
	"slices"
	"strings"
)

// maxEntries bounds the files and folders to look at for an include.
const maxEntries = 500_000

// maxIncludes bounds the includes of a file, left-out ones among them.
const maxIncludes = 1000

// included is a file of the tree, with its inputs.
type included struct {
	name   string
	inputs *node
}

// key identifies an include: the same include has the same key.
func (r *reader) key(i included) (string, error) {
	if i.inputs == nil {
		return i.name, nil
	}
	plain, err := r.plainValue(i.inputs, 0)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(plain)
	return i.name + " " + string(text), err
}

// includes returns the included files of the tree. Includes from elsewhere are not fetched.
func (r *reader) includes(n *node) ([]included, error) {
	items := []*node{n}
	if n.kind == list {
		items = n.items
	}
	if len(items) > maxIncludes {
		return nil, n.faultf("GitLab takes no more files than 150", "there are more than %d includes", maxIncludes)
	}
	var out []included
	for _, i := range items {
		var inputs *node
		if i.kind == mapping {
			inputs = i.get("inputs")
		}
		local, err := r.localInclude(i)
		if err != nil {
			return nil, err
		}
		if local == "" {
			continue
		}
		if !strings.ContainsAny(local, "*") {
			out = append(out, included{local, inputs})
			continue
		}
		names, err := r.matching(i, local)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			out = append(out, included{name, inputs})
		}
	}
	return out, nil
}

// includePath returns a path of the tree, with the values of variables known before any
// file is read. Other variables become "", as in GitLab.
func (r *reader) includePath(text string) string {
	known := map[string]string{}
	for _, v := range slices.Concat(r.input.Predefined, r.input.Given) {
		known[v.Key] = v.Value
	}
	text, _ = ReplaceNamed(text, maxExpanded, func(named, key string) (string, bool) {
		value, ok := known[key]
		if !ok {
			r.warnf("include: %s is not known: an include takes predefined variables and those of --variable", named)
		}
		return value, true
	})
	return cleanPath(text)
}

// matching returns the files whose paths match a pattern. * is any text without a slash, **
// any text, and all else stands for itself.
func (r *reader) matching(at *node, pattern string) (names []string, err error) {
	if len(pattern) > maxPath {
		return nil, at.faultf("* and ** stand for names", "include: a pattern has more than %d bytes", maxPath)
	}
	text := strings.NewReplacer(`\*\*`, `.*`, `\*`, `[^/]*`).Replace(regexp.QuoteMeta(pattern))
	matches, err := regexp.Compile(`(?s)^` + text + `$`)
	if err != nil {
		return nil, at.faultf("* and ** stand for names", "include: %q is no pattern", pattern)
	}
	fixed, _, _ := strings.Cut(pattern, "*")
	depth, deep := strings.Count(pattern, "/"), strings.Contains(pattern, "**")
	err = r.walk(path.Dir(fixed), func(dir string) bool { return deep || strings.Count(dir, "/") < depth }, func(name string) {
		if matches.MatchString(name) {
			names = append(names, name)
		}
	})
	if errors.Is(err, errCrowded) {
		err = at.faultf("begin the pattern with a folder, such as ci/**.yml", "include: more than %d files and folders are in the way of %q", maxEntries, pattern)
	}
	if err != nil {
		return nil, err
	}
	// GitLab has no files that git ignores, such as packages.
	names = slices.DeleteFunc(names, func(name string) bool {
		var there bool
		if err == nil {
			there, err = r.listed(name)
		}
		return !there
	})
	slices.Sort(names)
	return names, err
}

// localInclude returns the path of a local include, or "" for an include left out.
func (r *reader) localInclude(n *node) (string, error) {
	switch n.kind {
	case scalar:
		if strings.Contains(n.text, "://") {
			r.elsewhere("remote " + n.text)
			return "", nil
		}
		return r.includePath(n.text), nil
	case mapping:
		taken, err := r.includeRules(n)
		if err != nil || !taken {
			return "", err
		}
		if what := described(n); what != "" {
			r.elsewhere(what)
			if t := n.get("template"); t != nil && strings.HasPrefix(t.text, "Workflows/") {
				r.template = t
			}
			return "", nil
		}
		for _, e := range n.entries {
			switch {
			case e.key == "rules", e.key == "inputs":
			case e.key == "local" && e.value.kind == scalar:
				return r.includePath(e.value.text), nil
			default:
				r.warnf("include: unknown keyword: %s", e.key)
			}
		}
		return "", nil
	default:
		return "", n.faultf("such as include: ci/build.yml", "include is no path")
	}
}

// includeRules tells whether the rules of an include let it in. Unknown counts as no.
func (r *reader) includeRules(n *node) (bool, error) {
	rules := n.get("rules")
	if rules == nil || rules.kind == null {
		return true, nil
	}
	_, f, err := r.firstRule(rules, r.scopeOf(), "include:rules")
	if f.verdict == maybe && err == nil {
		what := described(n)
		if local := n.get("local"); local != nil {
			what = "local " + local.text
		}
		r.elsewhere(what + " (whether it counts is not known: " + f.why + ")")
	}
	return f.verdict == yes, err
}
