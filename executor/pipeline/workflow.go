package pipeline

// workflow decides whether GitLab makes a pipeline at all, and adds the variables of the
// rule that holds. Keys about cancelling do not matter here.
func (r *reader) workflow() error {
	n, err := r.resolve(r.root.get("workflow"), 0)
	if err != nil {
		return err
	}
	if r.template != nil && n.get("rules") == nil {
		return r.workflowTemplate()
	}
	if n == nil || n.kind == null {
		return nil
	}
	return r.keys(n, "workflow", func(e entry) error {
		switch e.key {
		case "rules":
			return r.workflowRules(e.value)
		case "name":
			r.name, err = r.word(e.value, "workflow:name")
			return err
		case "auto_cancel":
		default:
			r.warnf("workflow: unknown keyword: %s", e.key)
		}
		return nil
	})
}

func (r *reader) workflowRules(n *node) error {
	if n.kind == null {
		return nil
	}
	rule, f, err := r.firstRule(n, r.scopeOf(r.globals), "workflow:rules")
	if err != nil {
		return err
	}
	r.workflowOf(f)
	vars, err := r.variables(rule.get("variables"), "workflow:rules:variables")
	r.globals = append(r.globals, vars...)
	return err
}

// workflowOf notes why there is no pipeline, or that none is certain.
func (r *reader) workflowOf(f finding) {
	switch f.verdict {
	case no:
		r.none = "workflow:rules make no pipeline for this push"
	case maybe:
		r.none = "workflow:rules: whether they make a pipeline is not known: " + f.why
	default:
		return
	}
	r.warnf("%s", r.none)
}

// workflowTemplate decides by a template of GitLab's own.
func (r *reader) workflowTemplate() error {
	all := finding{verdict: maybe, why: r.template.text + " is not fetched"}
	s := r.scopeOf(r.globals)
	for i, text := range workflows[r.template.text] {
		f, err := r.condition(&node{kind: scalar, text: text}, s, "workflow:rules")
		if err != nil {
			return err
		}
		if i == 0 || f.verdict > all.verdict {
			all = f
		}
	}
	r.workflowOf(all)
	return nil
}

// workflows are the conditions in GitLab's own templates that decide on a pipeline.
var workflows = map[string][]string{
	"Workflows/Branch-Pipelines.gitlab-ci.yml":       {"$CI_COMMIT_TAG", "$CI_COMMIT_BRANCH"},
	"Workflows/MergeRequest-Pipelines.gitlab-ci.yml": {"$CI_MERGE_REQUEST_IID", "$CI_COMMIT_TAG", "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"},
}
