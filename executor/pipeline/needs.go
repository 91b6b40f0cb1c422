package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/pattern"
)

func (d *decoder) needs(n *node) error {
	d.job.Needs = []Need{}
	list, err := d.flat(n)
	if err != nil {
		return err
	}
	for _, i := range list {
		need, err := d.need(i)
		if err != nil {
			return err
		}
		if need.Job != "" {
			d.job.Needs = append(d.job.Needs, need)
		}
	}
	return nil
}

// need reads an entry of a job's needs. A need of another pipeline has no name.
func (d *decoder) need(n *node) (need Need, err error) {
	need.Artifacts = true
	if n.kind == scalar {
		need.Job, err = d.ofMatrix(n, n.text)
		return need, err
	}
	other := false
	var parallel *node
	err = d.keys(n, d.job.Name+": needs", func(e entry) (err error) {
		switch e.key {
		case "job":
			if need.Job, err = d.word(e.value, d.job.Name+": needs:job"); err == nil {
				need.Job, err = d.ofMatrix(e.value, need.Job)
			}
		case "artifacts":
			need.Artifacts, err = d.boolean(e.value, d.job.Name+": needs:artifacts")
		case "optional":
			need.Optional, err = d.boolean(e.value, d.job.Name+": needs:optional")
		case "project", "pipeline":
			d.strange("needs:" + e.key)
			other = true
		case "parallel":
			parallel = e.value
		case "ref": // belongs to project
		default:
			d.unknown("needs:" + e.key)
		}
		return err
	})
	if other {
		return Need{}, err
	}
	if err == nil && parallel != nil && parallel.kind != null {
		need.of, err = d.parallels(need.Job, parallel)
	}
	return need, err
}

// parallels returns the names of some jobs of a matrix.
func (d *decoder) parallels(name string, n *node) (names []string, err error) {
	all, err := d.instances(name, n, func(n *node) (string, error) { return d.ofMatrix(n, n.text) })
	for _, i := range all {
		names = append(names, i.name)
	}
	return names, err
}

var matrixNamed = pattern.New(`\$\[\[\s*matrix\.([a-zA-Z0-9_-]+)\s*\]\]`)

// ofMatrix puts the values of the job's own matrix into a text.
func (d *decoder) ofMatrix(n *node, text string) (string, error) {
	if !strings.Contains(text, "$[[") {
		return text, nil // jobs may share the text, however long
	}
	unknown := ""
	text = matrixNamed.Regexp().ReplaceAllStringFunc(text, func(named string) string {
		name := matrixNamed.FindStringSubmatch(named)[1]
		for _, v := range d.matrix {
			if v.Key == name {
				return v.Value
			}
		}
		unknown = name
		return named
	})
	if len(text) > maxLine {
		return "", n.faultf("GitLab takes no more than 255 characters", "%s: needs: the name of a job is too long", d.job.Name)
	}
	if unknown != "" {
		return "", n.faultf("name a variable of parallel:matrix of this job", "%s: needs: there is no %s in its matrix", d.job.Name, unknown)
	}
	return text, nil
}

// parallelNames replaces a job's name in needs by the names that parallel makes.
func (r *reader) parallelNames(jobs []Job) error {
	for i := range jobs {
		j := &jobs[i]
		var needs []Need
		for _, n := range j.Needs {
			names, parallel := r.parallel[n.Job]
			if !parallel {
				needs = append(needs, n)
				continue
			}
			if n.of != nil {
				names = n.of
			}
			if len(needs)+len(names) > maxNeeds {
				return fault.Job(fmt.Errorf("job %s needs more than %d jobs", j.Name, maxNeeds), "GitLab takes no more than 50 unless its administrator says so")
			}
			if err := r.taken(names); err != nil {
				return err
			}
			for _, name := range names {
				needs = append(needs, Need{Job: name, Artifacts: n.Artifacts, Optional: n.Optional})
			}
		}
		if j.Needs != nil {
			j.Needs = append([]Need{}, needs...)
		}
		if !slices.ContainsFunc(j.Dependencies, func(name string) bool { return r.parallel[name] != nil }) {
			continue
		}
		var names []string
		for _, name := range j.Dependencies {
			if all, parallel := r.parallel[name]; parallel {
				if err := r.taken(all); err != nil {
					return err
				}
				names = append(names, all...)
			} else {
				names = append(names, name)
			}
		}
		j.Dependencies = names
	}
	return nil
}

// taken counts names that a job takes over.
func (r *reader) taken(names []string) error {
	r.nodes += len(names)
	return r.count(r.root)
}

// maxNeeds bounds a job's needs; GitLab's own bound is a setting.
const maxNeeds = 1000
