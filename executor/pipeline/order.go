package pipeline

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gitlab-dind-executor/fault"
)

// order sorts jobs by stage, then by their order in the file, and each job behind its
// needs.
func (r *reader) order(p *Pipeline) error {
	index := map[string]int{}
	for i := range p.Jobs {
		j := &p.Jobs[i]
		index[j.Name] = i
		if j.Cannot || slices.Contains(p.Stages, j.Stage) {
			continue
		}
		err := r.lacking(fault.Job(fmt.Errorf("job %s is in stage %q, which is not there", j.Name, j.Stage),
			"name one of these, or add it to stages: "+strings.Join(p.Stages, ", ")),
			"stage "+j.Stage+" is not here")
		if !j.lacks(err) {
			return err
		}
	}
	for i := range p.Jobs {
		if err := r.refers(*p, p.Jobs[i], index); err != nil && !p.Jobs[i].lacks(err) {
			return err
		}
	}
	return p.sort()
}

// lacks leaves a job out that lacks something. lacks returns whether err is such an error.
func (j *Job) lacks(err error) bool {
	var m *missing
	if !errors.As(err, &m) {
		return false
	}
	if j.When != "never" {
		j.leave(m.text)
		j.Maybe = true
	}
	return true
}

func (p *Pipeline) sort() error {
	byStage := slices.Clone(p.Jobs)
	slices.SortStableFunc(byStage, func(a, b Job) int {
		return slices.Index(p.Stages, a.Stage) - slices.Index(p.Stages, b.Stage)
	})
	p.Jobs = nil
	index := map[string]int{}
	for i, j := range slices.Backward(byStage) { // the first of a name
		index[j.Name] = i
	}
	placed, under := map[string]bool{}, map[string]bool{}
	var place func(j Job) error
	place = func(j Job) error {
		if placed[j.Name] {
			return nil
		}
		if under[j.Name] {
			return fault.Job(fmt.Errorf("job %s needs itself", j.Name), "follow needs from job to job")
		}
		under[j.Name] = true
		for _, n := range j.Needs {
			i, there := index[n.Job]
			if !there {
				continue // optional
			}
			if err := place(byStage[i]); err != nil {
				return err
			}
		}
		placed[j.Name] = true
		p.Jobs = append(p.Jobs, j)
		return nil
	}
	for _, j := range byStage {
		if err := place(j); err != nil {
			return err
		}
	}
	return nil
}

// refers checks a job's references to other jobs. index holds the places of jobs by name.
func (r *reader) refers(p Pipeline, j Job, index map[string]int) error {
	later := func(name string) bool {
		i, there := index[name]
		return there && !p.Jobs[i].Cannot && slices.Index(p.Stages, p.Jobs[i].Stage) > slices.Index(p.Stages, j.Stage)
	}
	const whom = "name a job of the same stage or of one before it"
	for _, n := range j.Needs {
		i, there := index[n.Job]
		switch {
		case later(n.Job):
			return fault.Job(fmt.Errorf("job %s needs %s, which is in a later stage", j.Name, n.Job), whom)
		case n.Optional || j.When == "never":
		case !there:
			return r.lacking(fault.Job(fmt.Errorf("job %s needs %s, which is not in this pipeline", j.Name, n.Job), "name a job of this pipeline, or set optional: true"),
				"it needs "+n.Job+", which is not here")
		case p.Jobs[i].unless: // in its project there may be such a pipeline
			return &missing{short("it needs " + n.Job + ", which is left out")}
		case p.Jobs[i].When == "never" && !p.Jobs[i].Maybe:
			return r.lacking(fault.Job(fmt.Errorf("job %s needs %s, which is left out: %s", j.Name, n.Job, p.Jobs[i].Why), "name a job of this pipeline, or set optional: true"),
				"it needs "+n.Job+", which is left out")
		}
	}
	for _, name := range j.Dependencies {
		if _, there := index[name]; !there {
			return r.lacking(fault.Job(fmt.Errorf("job %s depends on %s, which is not in this pipeline", j.Name, name), whom),
				"it depends on "+name+", which is not here")
		}
		if later(name) {
			return fault.Job(fmt.Errorf("job %s depends on %s, which is in a later stage", j.Name, name), whom)
		}
		if len(j.Needs) > 0 && !j.needsOfRule && !slices.ContainsFunc(j.Needs, func(n Need) bool { return n.Job == name }) {
			return fault.Job(fmt.Errorf("job %s depends on %s, which is not among its needs", j.Name, name), "add it to needs, as GitLab asks for")
		}
	}
	return nil
}

// Outcome is the end of a job.
type Outcome string

// The outcomes. An allowed failure counts as a success. A job that did not run is Skipped
// if others wait for it, else Left.
const (
	Succeeded Outcome = "success"
	Allowed   Outcome = "failed, which is allowed"
	Failed    Outcome = "failed"
	Skipped   Outcome = "skipped"
	Left      Outcome = "left out"
)

// waitsFor returns the jobs whose outcome decides on j.
func (p Pipeline) waitsFor(j Job) (names []string) {
	if j.Needs != nil {
		for _, n := range j.Needs {
			names = append(names, n.Job)
		}
		return names
	}
	stage := slices.Index(p.Stages, j.Stage)
	for _, o := range p.Jobs {
		if slices.Index(p.Stages, o.Stage) < stage {
			names = append(names, o.Name)
		}
	}
	return names
}

// Due decides on a job after the outcomes of others. For a job that does not run, otherwise
// is its outcome and why the reason.
func (p Pipeline) Due(j Job, of map[string]Outcome) (runs bool, otherwise Outcome, why string) {
	switch j.When {
	case "never":
		return false, Left, cmp.Or(j.Why, "its rules leave it out")
	case "delayed":
		return false, Skipped, "it is delayed: run it with --job"
	case "manual":
		if j.AllowFailure {
			return false, Left, "it is manual: run it with --job"
		}
		return false, Skipped, "it is manual: run it with --job"
	case "always":
		return true, "", ""
	}
	var bad, failed, left string
	for _, name := range p.waitsFor(j) {
		switch of[name] {
		case Failed:
			bad, failed = name, name
		case Skipped:
			bad = name
		case Left:
			if j.Needs != nil && !p.ruledOut(name) {
				left = name
			}
		}
	}
	switch {
	case j.When == "on_failure" && failed == "":
		return false, Left, "nothing failed"
	case j.When == "on_failure" || bad == "" && left == "":
		return true, "", ""
	case failed != "":
		return false, Skipped, failed + " failed"
	case bad != "":
		return false, Skipped, bad + " was skipped"
	default:
		return false, Left, left + ", which it needs, did not run"
	}
}

// ruledOut tells a job that is certainly not in the pipeline.
func (p Pipeline) ruledOut(name string) bool {
	return slices.ContainsFunc(p.Jobs, func(j Job) bool { return j.Name == name && j.When == "never" && !j.Maybe })
}

// Sources returns the jobs whose artifacts j gets.
func (p Pipeline) Sources(j Job) (names []string) {
	switch {
	case j.Needs == nil && j.Dependencies != nil:
		return j.Dependencies
	case j.Needs == nil:
		return p.waitsFor(j)
	}
	for _, n := range j.Needs {
		if n.Artifacts && (j.Dependencies == nil || slices.Contains(j.Dependencies, n.Job)) {
			names = append(names, n.Job)
		}
	}
	return names
}
