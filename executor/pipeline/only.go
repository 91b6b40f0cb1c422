package pipeline

import (
	"cmp"
	"strings"
)

// policy is the content of only or except. Each existing part counts.
type policy struct {
	refs, variables, changes   []string
	hasVars, hasChanges, hasK8 bool
	at                         *node
}

// policies decides only and except of a job without rules. Without them a job runs for
// branches and tags.
func (d *decoder) policies(only, except *node) error {
	keep, err := d.policy(only, "only")
	if err != nil {
		return err
	}
	if keep.refs == nil {
		keep.refs = []string{"branches", "tags"}
	}
	drop, err := d.policy(except, "except")
	if err != nil {
		return err
	}
	kept, err := d.parts(keep, "only")
	if err != nil {
		return err
	}
	dropped, err := d.parts(drop, "except")
	if err != nil {
		return err
	}
	all := finding{verdict: yes}
	for _, f := range kept {
		all.and(f)
	}
	reason := "only: " + keep.text()
	for _, f := range dropped {
		if f.verdict > no && all.verdict > no {
			reason = "except: " + drop.text()
		}
		f.verdict = yes - f.verdict
		all.and(f)
	}
	switch all.verdict {
	case no:
		d.job.leaveUnless("it is left out by "+reason, all.unset)
	case maybe:
		d.job.doubt(all.why)
	case yes:
		d.because(all.unset)
	}
	return nil
}

// text describes a policy in a few words.
func (p policy) text() string {
	var words []string
	words = append(words, p.refs...)
	for _, v := range p.variables {
		words = append(words, "variables "+v)
	}
	if p.hasChanges {
		words = append(words, "changes")
	}
	if p.hasK8 {
		words = append(words, "kubernetes")
	}
	return strings.Join(words, ", ")
}

// policy reads only or except.
func (d *decoder) policy(n *node, key string) (p policy, err error) {
	what := d.job.Name + ": " + key
	if n == nil || n.kind == null {
		return p, nil
	}
	p.at = n
	if n.kind == list {
		p.refs, err = d.refs(n, what)
		return p, err
	}
	if n.kind != mapping || len(n.entries) == 0 {
		return p, n.faultf("such as "+key+": [main, tags]", "%s is neither a list nor a mapping", what)
	}
	err = d.keys(n, what, func(e entry) (err error) {
		if e.value.kind == null {
			return nil
		}
		switch e.key {
		case "refs":
			p.refs, err = d.refs(e.value, what+":refs")
		case "variables":
			p.hasVars = true
			p.variables, err = d.words(e.value, what+":variables")
		case "changes":
			p.hasChanges = true
			p.changes, err = d.words(e.value, what+":changes")
		case "kubernetes":
			p.hasK8 = true
		default:
			return e.fault("refs, variables, changes or kubernetes", "%s: unknown keyword: %s", what, e.key)
		}
		return err
	})
	return p, err
}

// refs reads names, patterns and keywords.
func (d *decoder) refs(n *node, what string) ([]string, error) {
	words, err := d.words(n, what)
	for _, w := range words {
		if re, err := rubyPattern(w); re == nil && err != nil {
			return nil, n.faultf("GitLab's patterns are those of RE2, without lookahead", "%s: %s is no pattern", what, w)
		}
	}
	return append([]string{}, words...), err
}

// parts returns the findings of each part of a policy.
func (d *decoder) parts(p policy, key string) (out []finding, err error) {
	if p.refs != nil {
		var one finding
		for _, w := range p.refs {
			one.or(d.isRef(w))
		}
		out = append(out, one)
	}
	if p.hasVars {
		s := d.scope()
		var one finding
		for i, text := range p.variables {
			f, err := d.condition(&node{kind: scalar, text: text, file: p.at.file, line: p.at.line}, s, d.job.Name+": "+key+":variables")
			if err != nil {
				return nil, err
			}
			if i == 0 {
				one = f
				continue
			}
			one.or(f)
		}
		out = append(out, one)
	}
	if p.hasChanges {
		f, err := d.changes(p.at.get("changes"), d.scope(), d.job.Name+": "+key)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	if p.hasK8 {
		out = append(out, finding{verdict: maybe, why: key + ":kubernetes"})
	}
	return out, nil
}

// predefined returns the variables that GitLab sets, by their names.
func (r *reader) predefined() scope {
	if r.pushed == nil {
		r.pushed = scope{}
		for _, p := range r.input.Predefined {
			r.pushed[p.Key] = p.Value
		}
	}
	return r.pushed
}

// isRef tells whether a word of only or except matches the pushed ref.
func (r *reader) isRef(word string) finding {
	v := r.predefined()
	word, path, found := strings.Cut(word, "@")
	project, known := v["CI_PROJECT_PATH"]
	switch {
	case !r.refMatches(word), found && known && path != project:
		return finding{}
	case found && !known:
		return finding{verdict: maybe, why: "the project's path is not known without a remote origin"}
	}
	return finding{verdict: yes}
}

// refMatches tells whether a word without a project matches the pushed ref.
func (r *reader) refMatches(word string) bool {
	v := r.predefined()
	tag, source := v["CI_COMMIT_TAG"], cmp.Or(strings.TrimSuffix(v["CI_PIPELINE_SOURCE"], "_event"), "push")
	request := strings.HasSuffix(source, "merge_request") || strings.HasSuffix(source, "pull_request")
	switch {
	case word == "tags" && tag != "", word == "branches" && tag == "" && !request:
		return true
	case word == source || word == source+"s" || word == source+"es" && strings.HasSuffix(source, "sh"):
		return true
	case request:
		return false
	}
	ref := cmp.Or(tag, v["CI_COMMIT_BRANCH"], v["CI_COMMIT_REF_NAME"])
	if re, err := rubyPattern(word); re != nil && err == nil {
		return found(r.ctx, re, ref)
	}
	return word == ref
}
