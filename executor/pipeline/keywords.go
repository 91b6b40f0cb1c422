package pipeline

import (
	"cmp"
	"slices"
	"strings"

	"gitlab-dind-executor/wary"
)

// meaningless are keywords without effect on a job alone on this host. elsewhere are
// keywords of GitLab's without a counterpart here.
var (
	meaningless = []string{"interruptible", "coverage", "resource_group", "extends"}
	elsewhere   = []string{
		"dast_configuration", "hooks", "id_tokens", "identity", "inputs", "manual_confirmation",
		"pages", "publish", "release", "retry", "secrets",
	}
)

// costOfJob is a job's own cost, in nodes.
const costOfJob = 10

// jobs reads a job. parallel may make several jobs of it.
func (r *reader) jobs(e entry, defaults *node) ([]Job, error) {
	if wary.Text(e.key) != e.key || strings.ContainsAny(e.key, "\n\t") || e.key == "" {
		return nil, e.fault("letters, digits, spaces and such", "%q is no name of a job", e.key)
	}
	if tooLong(e.key) {
		return nil, e.fault("GitLab takes no more", "the name of a job has more than %d characters", maxName)
	}
	if e.value.kind != mapping {
		return nil, e.fault("a job is a name with a script below it; a key that is none begins with a dot", "%s is no job", e.key)
	}
	all := &node{kind: mapping, file: e.value.file, line: e.line, entries: slices.Clone(e.value.entries)}
	inherits, err := r.inherits(all, e.key, "default")
	if err != nil {
		return nil, err
	}
	for _, d := range defaults.entries {
		if all.get(d.key) == nil && inherits.takes(d.key) {
			all.set(d)
		}
	}
	if err := r.copied(all); err != nil {
		return nil, err
	}
	doubt, err := r.undecided(all)
	if err == nil {
		err = r.withoutTrifles(e.key, all)
	}
	if err != nil {
		return nil, err
	}
	if all, err = r.resolve(all, 0); err != nil {
		return nil, err
	}
	instances, err := r.instances(e.key, all.get("parallel"), plain)
	if err != nil {
		return nil, err
	}
	var jobs []Job
	for _, i := range instances {
		r.nodes += costOfJob
		if err := r.count(all); err != nil {
			return nil, err
		}
		j := Job{Name: i.name, Stage: "test", When: "on_success", Index: i.index, Total: i.total}
		if i.total > 0 {
			j.Of = e.key
			r.parallel[e.key] = append(r.parallel[e.key], i.name)
		}
		d := decoder{reader: r, job: &j, at: all, matrix: i.matrix}
		if err := d.decode(e); err != nil {
			return nil, err
		}
		if doubt != "" && !j.Cannot {
			j.doubt(doubt)
		}
		jobs = append(jobs, j)
	}
	return jobs, nil
}

// decode reads the keywords of a job, and its rules at last.
func (d *decoder) decode(e entry) error {
	for _, k := range d.at.entries {
		if err := d.keyword(k); err != nil {
			return err
		}
	}
	d.job.Variables = append(d.job.Variables, d.matrix...)
	if len(d.script) == 0 {
		why := d.cannotRun(d.at)
		if why == "" {
			return e.fault("write script: and a list of commands below the job, or a dot before the name of a template", "job %s has no script", e.key)
		}
		*d.job = d.unable(entry{d.job.Name, e.line, d.at}, why)
		return nil
	}
	d.job.Script = append(d.before, d.script...)
	inherits, err := d.inherits(d.at, e.key, "variables")
	if err == nil {
		err = d.take(inherits)
	}
	if err == nil {
		err = d.decide()
	}
	if err == nil && d.none != "" {
		d.job.leave(d.none)
	}
	return err
}

func (e entry) fault(hint, format string, args ...any) error {
	return faultAt(e.value.file, e.line, hint, format, args...)
}

// decoder reads the keywords of a job.
type decoder struct {
	*reader
	job *Job
	// at is the job after defaults, extends and references.
	at             *node
	before, script []string
	// allowed tells whether allow_failure is set.
	allowed bool
	// matrix are the values of parallel:matrix for this job.
	matrix []Variable
}

// strange warns of a keyword without a meaning here.
func (d *decoder) strange(keyword string) {
	d.warnf("%s: not understood here: %s", cmp.Or(d.job.Of, d.job.Name), keyword)
}

func (d *decoder) unknown(keyword string) {
	d.warnf("%s: unknown keyword: %s", cmp.Or(d.job.Of, d.job.Name), keyword)
}

func (d *decoder) keyword(e entry) (err error) {
	j, v, what := d.job, e.value, d.job.Name+": "+e.key
	switch e.key {
	case "stage":
		j.Stage, err = d.word(v, what)
	case "image":
		j.Image, err = d.image(v, "image")
	case "services":
		list, err := d.flat(v)
		if err != nil {
			return err
		}
		for _, s := range list {
			i, err := d.image(s, "services")
			if err != nil {
				return err
			}
			j.Services = append(j.Services, i)
		}
	case "variables":
		j.Variables, err = d.variables(v, what)
	case "before_script":
		d.before, err = d.commands(v, what)
	case "script":
		d.script, err = d.commands(v, what)
	case "after_script":
		j.AfterScript, err = d.commands(v, what)
	case "when":
		if v.text == "never" {
			return v.faultf("say so in rules, or begin the job's name with a dot", "%s: when: never is for rules", j.Name)
		}
		err = d.when(v)
	case "allow_failure":
		err = d.allowFailure(v)
	case "needs":
		err = d.needs(v)
	case "dependencies":
		j.Dependencies = []string{}
		names, err := d.words(v, what)
		j.Dependencies = append(j.Dependencies, names...)
		return err
	case "artifacts":
		err = d.artifacts(v)
	case "cache":
		err = d.caches(v)
	case "timeout":
		d.timeout(v)
	case "environment":
		err = d.environment(v)
	case "tags":
		j.Tags, err = d.words(v, what)
	case "rules", "only", "except", "inherit", "parallel", "start_in", "trigger", "run": // decided elsewhere
	default:
		switch {
		case slices.Contains(meaningless, e.key):
		case slices.Contains(elsewhere, e.key):
			d.strange(e.key)
		default:
			d.unknown(e.key)
		}
	}
	return err
}
