package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/wary"
)

// Input holds a pipeline's dependencies besides its files.
type Input struct {
	// Predefined are GitLab's own variables, which a pipeline may override. Given are the
	// user's variables, which win. A predefined variable that is not listed is unknown.
	Predefined, Given []Variable
	// Files lists the paths of the tree. Without Files, the reader walks the tree.
	Files func() ([]string, error)
	// Changed returns the paths that differ from a ref. For "", Changed returns the paths
	// that a push would change, where nil stands for all: the branch is new. known is false
	// where the paths are not known. Changed may be nil.
	Changed func(ref string) (paths []string, known bool)
}

// Pipeline is the content of a file.
type Pipeline struct {
	// Name is workflow:name, with its variables unreplaced.
	Name string
	// Stages are in their order, with GitLab's own.
	Stages []string
	// Jobs are in an order in which they can run, without hidden ones.
	Jobs []Job
	// Warnings are lines about parts without a meaning here, each once.
	Warnings []string
}

// reader is the state of reading a pipeline.
type reader struct {
	// ctx ends a reading that takes too long.
	ctx      context.Context
	files    fs.FS
	input    Input
	nodes    int
	warnings []string
	name     string
	// warned are the warnings, for look-ups.
	warned map[string]bool
	root   *node
	// globals are the pipeline's variables.
	globals []Variable
	// pushed are the predefined variables after their first use.
	pushed scope
	// none says why GitLab makes no pipeline. template is a template of GitLab's own that
	// may decide on this.
	none     string
	template *node
	// unfetched are includes from elsewhere. cannot holds the jobs that lack them, with the
	// reasons.
	unfetched []string
	cannot    map[string]string
	// parallel holds the names of the copies of a job by the job's name.
	parallel map[string][]string
	// resolved are nodes without references; nil marks an unfinished node.
	resolved map[*node]*node
	// lacked are nodes with references that lead nowhere.
	lacked map[*node]error
	// lexed are the words of conditions.
	lexed map[string][]string
	// paths are the tree's paths once known. compared holds the differences from refs.
	paths    []string
	compared map[string]comparison
}

// Read reads a file of a tree and its includes. An error is a fault of the pipeline, with
// file, line and a hint, or the error of ctx.
func Read(ctx context.Context, files fs.FS, name string, in Input) (Pipeline, error) {
	r := &reader{
		ctx: ctx, files: files, input: in, resolved: map[*node]*node{}, warned: map[string]bool{},
		lacked: map[*node]error{}, cannot: map[string]string{}, parallel: map[string][]string{}, compared: map[string]comparison{}, lexed: map[string][]string{},
	}
	p, err := r.read(name)
	p.Warnings, p.Name = r.warnings, r.name
	if ctx.Err() != nil {
		return p, ctx.Err()
	}
	if err != nil {
		err = fault.Job(errors.New(short(wary.Line(err.Error()))), short(wary.Line(fault.HintOf(err))))
	}
	return p, err
}

func (r *reader) read(name string) (Pipeline, error) {
	var err error
	if r.root, err = r.load(included{name: name}, map[string]bool{}); err != nil {
		return Pipeline{}, err
	}
	if r.root, err = r.extendAll(r.root); err != nil {
		return Pipeline{}, err
	}
	p := Pipeline{}
	if p.Stages, err = r.stages(); err != nil {
		return p, err
	}
	defaults, err := r.defaults()
	if err != nil {
		return p, err
	}
	if err := r.variablesOfAll(); err != nil {
		return p, err
	}
	for _, e := range r.root.entries {
		if slices.Contains(globals, e.key) || strings.HasPrefix(e.key, ".") {
			continue
		}
		jobs, err := r.jobs(e, defaults)
		var lacks *missing
		switch why := r.cannot[e.key]; {
		case why != "":
			jobs = []Job{r.unable(e, why)}
		case errors.As(err, &lacks):
			jobs = []Job{r.unable(e, lacks.text)}
		case err != nil:
			return p, err
		}
		p.Jobs = append(p.Jobs, jobs...)
	}
	if len(p.Jobs) == 0 && len(r.unfetched) == 0 {
		return p, fault.Job(fmt.Errorf("%s: there is no job in it", name), "a job is a key with a script below it")
	}
	if err := r.parallelNames(p.Jobs); err != nil {
		return p, err
	}
	err = r.order(&p)
	return p, err
}

// variablesOfAll reads the pipeline's variables and those of its workflow.
func (r *reader) variablesOfAll() error {
	n, err := r.resolve(r.root.get("variables"), 0)
	if err == nil {
		r.globals, err = r.variables(n, "variables")
	}
	if err == nil {
		err = r.workflow()
	}
	var lacks *missing
	if errors.As(err, &lacks) {
		r.none = lacks.text
		r.warnf("%s", r.none)
		return nil
	}
	return err
}

// globals are the keys of a file that are no jobs.
var globals = []string{
	"after_script", "before_script", "cache", "default", "image", "include", "services", "spec", "stages", "types", "variables", "workflow",
}

// inherited are the keywords of a job that default may hold.
var inherited = []string{
	"after_script", "artifacts", "before_script", "cache", "hooks", "id_tokens", "image", "interruptible", "retry", "services", "tags", "timeout",
}

// defaults returns the keywords for all jobs, from the default section or, in the older
// form, from the file itself.
func (r *reader) defaults() (*node, error) {
	d := &node{kind: mapping}
	for _, key := range []string{"image", "services", "before_script", "after_script", "cache"} {
		if v := r.root.get(key); v != nil {
			d.set(entry{key, v.line, v})
		}
	}
	section := r.root.get("default")
	if section != nil && section.kind != mapping && section.kind != null {
		return nil, section.faultf("such as default: {image: docker:latest}", "default is no mapping")
	}
	if section != nil {
		for _, e := range section.entries {
			if !slices.Contains(inherited, e.key) {
				r.warnf("default: unknown keyword: %s", e.key)
				continue
			}
			d.set(e)
		}
	}
	return d, nil
}

// maxStages bounds the stages: each job looks for its own among them.
const maxStages = 1000

// stages returns the stages of the file, or GitLab's own, with those that GitLab adds.
func (r *reader) stages() ([]string, error) {
	names := []string{"build", "test", "deploy"}
	n := r.root.get("stages")
	if n == nil {
		n = r.root.get("types")
	}
	if n != nil && n.kind != null {
		var err error
		if names, err = r.words(n, "stages"); err != nil {
			return nil, err
		}
		if len(names) > maxStages {
			return nil, n.faultf("that is more than anybody has seen", "there are more than %d stages", maxStages)
		}
	}
	out := []string{".pre"}
	for _, s := range names {
		if !slices.Contains(out, s) && s != ".post" {
			out = append(out, s)
		}
	}
	return append(out, ".post"), nil
}

// maxWarnings bounds the number of warnings: nobody reads more.
const maxWarnings = 1000

// warnf notes a line once.
func (r *reader) warnf(format string, args ...any) {
	if len(r.warnings) > maxWarnings {
		return
	}
	w := short(wary.Line(fmt.Sprintf(format, args...)))
	if r.warned[w] {
		return
	}
	if len(r.warnings) == maxWarnings {
		w = "more is not understood, of which nothing is said"
	}
	r.warned[w] = true
	r.warnings = append(r.warnings, w)
}

// copied counts the entries of a mapping made from another.
func (r *reader) copied(n *node) error {
	r.nodes += len(n.entries)
	return r.count(n)
}

// count bounds the size of a reading, in nodes.
func (r *reader) count(n *node) error {
	if r.ctx.Err() != nil {
		return r.ctx.Err()
	}
	if r.nodes++; r.nodes > maxNodes {
		return n.faultf("look for aliases, extends and references that multiply each other", "what this pipeline expands to is too large")
	}
	return nil
}
