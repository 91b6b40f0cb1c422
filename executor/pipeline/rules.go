package pipeline

// rules decides whether and when the job runs, and adds the variables of the
// rule that holds. It also puts the pipeline's variables before the job's.
func (d *decoder) rules(n *node) error {
	all, err := d.resolve(d.root.get("variables"), 0)
	if err != nil {
		return err
	}
	global, err := d.variables(all, "variables")
	if err != nil {
		return err
	}
	d.job.Variables = append(global, d.job.Variables...)
	if n == nil || n.kind == null {
		return nil
	}
	known := map[string]string{}
	for _, some := range [][]Variable{d.input.Predefined, d.job.Variables, d.input.Given} {
		for _, v := range some {
			known[v.Key] = v.Value
		}
	}
	list, err := d.flat(n)
	if err != nil {
		return err
	}
	for _, rule := range list {
		holds, err := d.holds(rule, known)
		if err != nil {
			return err
		}
		if holds {
			return d.rule(rule)
		}
	}
	d.job.When = "never"
	return nil
}

// holds judges one rule by its conditions.
func (d *decoder) holds(rule *node, vars map[string]string) (bool, error) {
	holds := true
	err := d.keys(rule, d.job.Name+": rules", func(e entry) error {
		switch e.key {
		case "if":
			ok, err := condition(e.value.text, vars)
			if err != nil {
				d.strange("rules:if: " + e.value.text)
			}
			holds = holds && ok && err == nil
		case "changes", "exists":
			d.strange("rules:" + e.key)
		}
		return nil
	})
	return holds, err
}

// rule applies the rule that holds.
func (d *decoder) rule(rule *node) error {
	return d.keys(rule, d.job.Name+": rules", func(e entry) error {
		switch e.key {
		case "if", "changes", "exists", "interruptible", "auto_cancel":
		case "when":
			// Unlike that of a job, a rule's manual does not allow failure.
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
			return d.needs(e.value)
		default:
			d.unknown("rules:" + e.key)
		}
		return nil
	})
}
