package pipeline

import (
	"encoding/json"
	"errors"
	"path"
	"regexp"
	"slices"
	"strings"
)

// maxEntries is how many files and folders are looked at for one include.
const maxEntries = 500_000

// maxIncludes is how many includes of one file are looked at, those that rules leave
// out among them.
const maxIncludes = 1000

// included is a file of the tree and what it is given.
type included struct {
	name   string
	inputs *node
}

// key tells what is the same include again.
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

// includes are the files of the tree that an include names. What comes from
// elsewhere is not fetched.
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

// includePath is a path of the tree, with the values of those variables that are
// known before any file is read. As with GitLab nothing is left of others.
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

// matching are the files whose paths match a pattern: * is any text without a
// slash, ** any text, and all else is itself.
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
	// Of what git ignores, such as packages, GitLab has none.
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

// localInclude is the path of a local include, or "" for one that is not taken.
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

// includeRules tells whether the rules of an include let it in. Where that is not
// known it is not.
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
