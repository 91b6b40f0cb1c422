package pipeline

import (
	"cmp"
	"errors"
	"slices"
	"strings"
)

// missing is the error of a job that lacks a thing from an absent include.
type missing struct{ text string }

func (m *missing) Error() string { return m.text }

// lacking returns the error for an absent thing. If some include was not fetched, the error
// concerns one job, else the whole pipeline.
func (r *reader) lacking(fault error, text string) error {
	if len(r.unfetched) == 0 {
		return fault
	}
	return &missing{short(text) + r.perhaps()}
}

// perhaps names the include that may hold an absent thing.
func (r *reader) perhaps() string {
	if len(r.unfetched) == 1 {
		return ": " + r.unfetched[0] + " is not fetched"
	}
	return ": " + r.unfetched[0] + " and other includes are not fetched"
}

// elsewhere notes an include that is not fetched.
func (r *reader) elsewhere(what string) {
	what = short(what)
	r.warnf("include: %s is not fetched: jobs that need it do not run", what)
	if !slices.Contains(r.unfetched, what) {
		r.unfetched = append(r.unfetched, what)
	}
}

// undecided takes rules, only and except out of a job where they lack something. why names
// the missing thing.
func (r *reader) undecided(job *node) (why string, err error) {
	for _, key := range []string{"rules", "only", "except"} {
		_, err := r.resolve(job.get(key), 0)
		var lacks *missing
		if errors.As(err, &lacks) {
			why = key + ": " + lacks.text
			job.entries = slices.DeleteFunc(job.entries, func(e entry) bool { return e.key == key })
		} else if err != nil {
			return "", err
		}
	}
	return why, nil
}

// trifles are keywords without effect on a job's run.
var trifles = []string{"coverage", "environment", "hooks", "id_tokens", "interruptible", "resource_group", "retry", "secrets", "tags"}

// withoutTrifles takes trifles that lack something out of a job.
func (r *reader) withoutTrifles(name string, job *node) error {
	for _, key := range trifles {
		_, err := r.resolve(job.get(key), 0)
		var lacks *missing
		if errors.As(err, &lacks) {
			r.warnf("%s: without its %s: %s", name, key, lacks.text)
			job.entries = slices.DeleteFunc(job.entries, func(e entry) bool { return e.key == key })
		} else if err != nil {
			return err
		}
	}
	return nil
}

// unable returns a job that cannot run here.
func (r *reader) unable(e entry, why string) Job {
	j := Job{Name: e.key, Stage: "test", When: "never", Why: short(why), Cannot: true, Maybe: true}
	if n := e.value.get("stage"); n != nil && n.kind == scalar {
		j.Stage = n.text
	}
	if n := e.value.get("when"); n != nil && n.kind == scalar && n.text == "never" {
		j.Maybe = false
	}
	return j
}

// cannotRun says why a job without a script cannot run here, or returns "".
func (r *reader) cannotRun(job *node) string {
	switch {
	case job.get("trigger") != nil:
		return "it triggers another pipeline"
	case job.get("run") != nil:
		return "its steps (run) are not understood here"
	case job.get("release") != nil, job.get("pages") != nil:
		return "it has no script"
	case bridges(job):
		return "it follows another pipeline"
	case len(r.unfetched) > 0:
		return "it has no script here" + r.perhaps()
	}
	return ""
}

// bridges tells a job that only waits for the pipeline of another project.
func bridges(job *node) bool {
	n := job.get("needs")
	return n != nil && n.kind == mapping && n.get("pipeline") != nil
}

// described names an include from elsewhere in a few words.
func described(n *node) string {
	for _, key := range []string{"template", "remote", "component", "project", "artifact"} {
		v := n.get(key)
		if v == nil {
			continue
		}
		text := v.text
		if f := n.get("file"); f != nil && key == "project" {
			names := []string{f.text}
			if f.kind == list {
				names = nil
				for _, i := range f.items {
					names = append(names, i.text)
				}
			}
			text = strings.TrimSpace(text + " " + strings.Join(names, ", "))
		}
		return cmp.Or(strings.TrimSpace(key+" "+text), key)
	}
	return ""
}
