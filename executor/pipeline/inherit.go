package pipeline

import "slices"

// inheritance is a job's share of the pipeline's settings: all, nothing or some.
type inheritance struct {
	nothing bool
	some    []string
}

func (i inheritance) takes(name string) bool {
	return !i.nothing && (i.some == nil || slices.Contains(i.some, name))
}

// inherits reads inherit:default or inherit:variables of a job.
func (r *reader) inherits(job *node, name, key string) (i inheritance, err error) {
	n, err := r.resolve(job.get("inherit"), 0)
	if err != nil || n == nil || n.kind == null {
		return i, err
	}
	what := name + ": inherit"
	err = r.keys(n, what, func(e entry) error {
		switch {
		case e.key != "default" && e.key != "variables":
			r.warnf("%s: unknown keyword: %s", what, e.key)
		case e.key != key || e.value.kind == null:
		case e.value.kind == list:
			words, err := r.words(e.value, what+":"+key)
			i.some = append([]string{}, words...)
			return err
		default:
			on, err := r.boolean(e.value, what+":"+key)
			i.nothing = !on
			return err
		}
		return nil
	})
	return i, err
}

// take puts the pipeline's variables before the job's own.
func (d *decoder) take(i inheritance) error {
	var all []Variable
	for _, v := range d.globals {
		if err := d.count(d.at); err != nil {
			return err
		}
		if i.takes(v.Key) {
			all = append(all, v)
		}
	}
	d.job.Variables = append(all, d.job.Variables...)
	return nil
}
