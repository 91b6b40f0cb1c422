package pipeline

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// firstRule finds the first rule that holds. The rule is nil where none holds, or where the
// answer is not known.
func (r *reader) firstRule(n *node, s scope, what string) (*node, finding, error) {
	list, err := r.flat(n)
	if err != nil {
		return nil, finding{}, err
	}
	// perhaps is the first unknown finding. maybes are earlier rules that may hold as well.
	var perhaps finding
	var maybes []*node
	// in and out are unset variables that might bring the job in or leave it out.
	var in, out []string
	for _, rule := range list {
		f, err := r.clauses(rule, s, what)
		if err != nil {
			return nil, f, err
		}
		never := leavesOut(rule)
		switch {
		case f.verdict == no && never:
			out = append(out, f.unset...)
			continue
		case f.verdict == no:
			in = append(in, f.unset...)
			continue
		case f.verdict == maybe:
			if maybes = append(maybes, rule); len(maybes) == 1 {
				perhaps = f
			}
			continue
		}
		same, err := r.alike(rule, maybes)
		switch {
		case err != nil:
			return nil, f, err
		case !same:
			return nil, perhaps, r.restOfRules(list, s, what)
		case never:
			return nil, finding{unset: append(in, f.unset...)}, r.restOfRules(list, s, what)
		}
		f.unset = append(out, f.unset...)
		return rule, f, r.restOfRules(list, s, what)
	}
	if slices.ContainsFunc(maybes, func(m *node) bool { return !leavesOut(m) }) {
		return nil, perhaps, nil
	}
	return nil, finding{unset: in}, nil
}

func leavesOut(rule *node) bool {
	when := rule.get("when")
	return when != nil && when.text == "never"
}

// alike tells whether a rule and all the others have the same effect, so the choice does
// not matter.
func (r *reader) alike(rule *node, others []*node) (bool, error) {
	for _, o := range others {
		if leavesOut(o) || leavesOut(rule) {
			if leavesOut(o) != leavesOut(rule) {
				return false, nil
			}
			continue
		}
		a, err := r.effect(rule)
		if err != nil {
			return false, err
		}
		b, err := r.effect(o)
		if err != nil || !reflect.DeepEqual(a, b) {
			return false, err
		}
	}
	return true, nil
}

// effect returns the effect of a rule that holds.
func (r *reader) effect(rule *node) (map[string]any, error) {
	all := map[string]any{}
	for _, e := range rule.entries {
		if e.key == "if" || e.key == "changes" || e.key == "exists" {
			continue
		}
		v, err := r.plainValue(e.value, 0)
		if err != nil {
			return nil, err
		}
		all[e.key] = v
	}
	return all, nil
}

// restOfRules checks the conditions of all rules: GitLab refuses a pipeline also for a
// fault in a rule that is never reached.
func (r *reader) restOfRules(list []*node, s scope, what string) error {
	for _, rule := range list {
		if n := rule.get("if"); n != nil {
			if _, err := r.condition(n, s, what); err != nil {
				return err
			}
		}
	}
	return nil
}

// because warns of unset variables that decide whether a job runs.
func (d *decoder) because(unset []string) {
	if len(unset) == 0 || d.job.When == "never" || d.job.When == "manual" {
		return
	}
	slices.Sort(unset)
	d.warnf("%s: that it runs depends on %s not being set: --variable sets what the project has", d.job.Name, strings.Join(slices.Compact(unset), ", "))
}

// leave takes the job out of the pipeline.
func (j *Job) leave(why string) { j.When, j.Why = "never", short(why) }

// leaveUnless takes the job out, and names unset variables that might bring the job in.
func (j *Job) leaveUnless(why string, unset []string) {
	if j.unless = len(unset) > 0; j.unless {
		slices.Sort(unset)
		verb := " is"
		if unset = slices.Compact(unset); len(unset) > 1 {
			verb = " are"
		}
		why += ", as " + strings.Join(unset, " and ") + verb + " not set here"
	}
	j.leave(why)
}

// doubt leaves a job out because its run on GitLab is not known.
func (j *Job) doubt(why string) {
	j.leave("whether it runs is not known: " + why)
	j.Maybe = true
}

// decide decides whether and when the job runs.
func (d *decoder) decide() error {
	rules := d.at.get("rules")
	only, except := d.at.get("only"), d.at.get("except")
	if rules == nil || rules.kind == null {
		return d.policies(only, except)
	}
	for _, key := range []string{"only", "except", "start_in"} {
		if n := d.at.get(key); n != nil && n.kind != null {
			return n.faultf("say all of it in rules", "%s: %s may not be used with rules", d.job.Name, key)
		}
	}
	rule, f, err := d.firstRule(rules, d.scope(), d.job.Name+": rules")
	switch {
	case err != nil:
		return err
	case f.verdict == no:
		d.job.leaveUnless("its rules leave it out", f.unset)
		return nil
	case f.verdict == maybe:
		d.job.doubt(f.why)
		return nil
	}
	err = d.rule(rule)
	d.because(f.unset)
	return err
}

// scope returns the variables that a job's conditions may ask for.
func (d *decoder) scope() scope {
	own := []Variable{
		{Key: "CI_JOB_NAME", Value: d.job.Name},
		{Key: "CI_JOB_STAGE", Value: d.job.Stage},
		{Key: "CI_NODE_TOTAL", Value: strconv.Itoa(max(1, d.job.Total))},
	}
	if d.job.Index > 0 {
		own = append(own, Variable{Key: "CI_NODE_INDEX", Value: strconv.Itoa(d.job.Index)})
	}
	s := d.scopeOf(own, d.job.Variables)
	if e := d.job.Environment; e != nil {
		if name, unknown := s.expand(e.Name); len(unknown) == 0 && len(name) < maxExpanded {
			s["CI_ENVIRONMENT_NAME"] = name
		}
		s["CI_ENVIRONMENT_ACTION"] = e.Action
	}
	return s
}

// rule applies the rule that holds.
func (d *decoder) rule(rule *node) error {
	return d.keys(rule, d.job.Name+": rules", func(e entry) error {
		switch e.key {
		case "if", "changes", "exists", "interruptible", "auto_cancel", "start_in":
		case "when":
			// A rule's manual does not allow failure, while a job's does.
			allowed := d.job.AllowFailure
			err := d.when(e.value)
			d.job.AllowFailure = allowed
			return err
		case "allow_failure":
			return d.allowFailure(e.value)
		case "variables":
			vars, err := d.variables(e.value, d.job.Name+": rules:variables")
			d.job.Variables = append(d.job.Variables, vars...)
			return err
		case "needs":
			d.job.needsOfRule = true
			return d.needs(e.value)
		default:
			d.unknown("rules:" + e.key)
		}
		return nil
	})
}
