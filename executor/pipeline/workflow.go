package pipeline

// workflow decides whether GitLab makes a pipeline at all, and adds the variables
// of the rule that holds. Its name and what it cancels do not matter here.
func (r *reader) workflow() error {
	n, err := r.resolve(r.root.get("workflow"), 0)
	if err != nil || n == nil || n.kind == null {
		return err
	}
	return r.keys(n, "workflow", func(e entry) error {
		switch e.key {
		case "rules":
			return r.workflowRules(e.value)
		case "name", "auto_cancel":
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
	switch {
	case err != nil:
		return err
	case f.verdict == no:
		r.none = "workflow:rules make no pipeline for this push"
	case f.verdict == maybe:
		r.none = "workflow:rules: whether they make a pipeline is not known: " + f.why
	default:
		vars, err := r.variables(rule.get("variables"), "workflow:rules:variables")
		r.globals = append(r.globals, vars...)
		return err
	}
	r.warnf("%s", r.none)
	return nil
}
