package pipeline

import (
	"fmt"
	"strings"
)

// finding is the knowledge about a rule or a list of rules.
type finding struct {
	verdict verdict
	// why is the unknown fact behind a maybe.
	why string
	// unset are variables without a value here. With a value, the verdict might change.
	unset []string
}

// and makes f the finding for both. A finding that fails in any case decides alone.
func (f *finding) and(o finding) {
	switch {
	case f.verdict == no && len(f.unset) == 0:
	case o.verdict == no && len(o.unset) == 0:
		*f = o
	default:
		f.unset = append(f.unset, o.unset...)
		if o.verdict < f.verdict {
			f.verdict, f.why = o.verdict, o.why
		}
	}
}

// or makes f the finding for either. A finding that holds in any case decides alone.
func (f *finding) or(o finding) {
	switch {
	case f.verdict == yes && len(f.unset) == 0:
	case o.verdict == yes && len(o.unset) == 0:
		*f = o
	default:
		f.unset = append(f.unset, o.unset...)
		if o.verdict > f.verdict {
			f.verdict, f.why = o.verdict, o.why
		}
	}
}

// clauses judges the conditions of a rule. what names the rule's place in messages.
func (r *reader) clauses(rule *node, s scope, what string) (finding, error) {
	all := finding{verdict: yes}
	err := r.keys(rule, what, func(e entry) error {
		var f finding
		var err error
		switch e.key {
		case "if":
			f, err = r.condition(e.value, s, what)
		case "exists":
			f, err = r.exist(e.value, s, what)
		case "changes":
			f, err = r.changes(e.value, s, what)
		default:
			return nil
		}
		all.and(f)
		return err
	})
	return all, err
}

// condition judges an expression.
func (r *reader) condition(n *node, s scope, what string) (finding, error) {
	if n.kind == null {
		return finding{verdict: yes}, nil
	}
	const hint = "GitLab takes no pipeline with it: such as $CI_COMMIT_BRANCH == \"main\" && $DEPLOY"
	if n.kind != scalar || n.typed != isString && n.typed != isSymbol {
		return finding{}, n.faultf(hint, "%s: the condition is no expression", what)
	}
	if err := r.count(n); err != nil {
		return finding{}, err
	}
	words, read := r.lexed[n.text]
	if !read { // jobs share rules
		words, _ = lex(n.text) // no words are no condition
		r.lexed[n.text] = words
	}
	var unknown, unset []string
	v, err := judge(r.ctx, words, func(name string) value {
		v := s.value(name)
		if v.kind == isUnknown {
			unknown = append(unknown, name)
		}
		return v
	})
	if err != nil {
		return finding{}, n.faultf(hint, "%s: invalid expression: %s", what, n.text)
	}
	f := finding{verdict: v}
	if v == maybe {
		f.why = known(unknown[0])
		return f, nil
	}
	strict, _ := judge(r.ctx, words, func(name string) value {
		v := s.strict(name)
		if v.kind == isUnknown && !ofGitLab(name) {
			unset = append(unset, "$"+name)
		}
		return v
	})
	if strict == maybe {
		f.unset = unset
	}
	return f, nil
}

// known says who knows a variable.
func known(name string) string {
	if strings.HasPrefix(name, "CI_PROJECT_PATH") || strings.HasPrefix(name, "CI_PROJECT_NAME") || strings.HasPrefix(name, "CI_PROJECT_ROOT_") {
		return "$" + name + " is not known without a remote origin"
	}
	return "$" + name + " is known to GitLab alone"
}

// exist tells whether the tree has a file that matches a pattern.
func (r *reader) exist(n *node, s scope, what string) (finding, error) {
	if n.kind == mapping {
		if n.get("project") != nil {
			return finding{verdict: maybe, why: "exists:project is another project's"}, nil
		}
		if n = n.get("paths"); n == nil {
			return finding{}, nil
		}
	}
	globs, f, err := r.globs(n, s, what+":exists")
	if err != nil || f.verdict == maybe {
		return f, err
	}
	paths, err := r.tree()
	if err != nil {
		return f, err
	}
	return finding{verdict: verdictOf(anyMatches(r.ctx, globs, paths, maxExists))}, nil
}

// changes tells whether the push changes a file that matches a pattern.
func (r *reader) changes(n *node, s scope, what string) (finding, error) {
	ref := ""
	if n.kind == mapping {
		if to := n.get("compare_to"); to != nil {
			text, unknown := s.expand(to.text)
			if len(unknown) > 0 {
				return finding{verdict: maybe, why: known(unknown[0])}, nil
			}
			ref = text
		}
		if n = n.get("paths"); n == nil {
			return finding{}, nil
		}
	}
	globs, f, err := r.globs(n, s, what+":changes")
	if err != nil || f.verdict == maybe {
		return f, err
	}
	paths, known := r.changed(ref)
	switch {
	case ref == "" && (known && paths == nil || r.predefined()["CI_COMMIT_TAG"] != ""):
		return finding{verdict: yes}, nil // as on GitLab where there is nothing to compare with
	case !known && ref == "":
		return finding{verdict: maybe, why: "changes: what a push would change is not known without a remote origin"}, nil
	case !known:
		return finding{verdict: maybe, why: "changes: " + ref + " is not in this repository"}, nil
	}
	return finding{verdict: verdictOf(anyMatches(r.ctx, globs, paths, maxChanges))}, nil
}

// maxGlobs is GitLab's bound on the patterns in a condition.
const maxGlobs = 50

// globs returns patterns of paths, with the values of their variables.
func (r *reader) globs(n *node, s scope, what string) (globs []string, f finding, err error) {
	words, err := r.words(n, what)
	if len(words) > maxGlobs {
		return nil, f, n.faultf("GitLab takes no more", "%s: there are more than %d patterns", what, maxGlobs)
	}
	for _, w := range words {
		text, unknown := s.expand(w)
		if len(unknown) > 0 {
			f = finding{verdict: maybe, why: known(unknown[0])}
		} else if len(text) > maxPath {
			f = finding{verdict: maybe, why: fmt.Sprintf("a pattern has more than %d bytes", maxPath)}
		}
		globs = append(globs, text)
	}
	return globs, f, err
}
