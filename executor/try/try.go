package try

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"gitlab-dind-executor/executor/forge"
	"gitlab-dind-executor/executor/pipeline"
	"gitlab-dind-executor/fault"
)

// setupBound is for what comes before the jobs, a look at all files included.
const setupBound = 5 * time.Minute

// ErrFailed says that a job has failed. Its log has said why.
var ErrFailed = errors.New("a job failed")

// Options are what a person asks for.
type Options struct {
	// File is the pipeline's, Listen where sources are served; empty: at Address.
	File, Listen string
	// Tag makes it the pipeline of a tag of this name.
	Tag string
	// Jobs are names, none for all. Variables are KEY=VALUE, or KEY alone.
	Jobs, Variables        []string
	List, Times, Protected bool
}

// Host is the program that tries jobs, and where it runs.
type Host struct {
	Env map[string]string
	// Stdout is for lines of try's own, JobLog gets a job's as it is, RunnerLog what
	// the Runner would log.
	Stdout, JobLog, RunnerLog io.Writer
	Warn                      func(text string)
	// Flags come before the name of a hook.
	Flags []string
	// Version is the Runner's that chooses the helper image, "" where none is needed.
	Version func(context.Context) (string, error)
	// Address is where sandboxes reach this host.
	Address func(context.Context) (string, error)
}

// Run reads the pipeline and runs its jobs.
func Run(parent context.Context, o Options, h Host) error {
	given, err := givenVariables(o.Variables, h.Env)
	if err != nil {
		return err
	}
	stop := newInterruption(parent)
	defer stop.end()
	ctx, cancel := context.WithTimeout(stop.first, setupBound)
	defer cancel()

	repo, name, err := repositoryOf(ctx, o.File)
	if err != nil {
		return err
	}
	if o.Tag != "" && !repo.FitForTag(ctx, o.Tag) {
		return fault.System(fmt.Errorf("--tag: %q is no name of a tag", o.Tag), "such as --tag v1.2.0")
	}
	repo.Tag = o.Tag
	f := facts{
		repository: repo, sha: repo.SHA, ref: cmp.Or(o.Tag, repo.Branch), file: name, protected: o.Protected,
		user: userOf(repo, h.Env), created: time.Now(),
	}
	if o.Tag != "" {
		f.tagMessage = repo.TagMessage(ctx, o.Tag)
	}
	p, err := readPipeline(ctx, f, given, h.Warn)
	if err != nil {
		return err
	}
	chosen, err := choose(p, o.Jobs)
	if err != nil {
		return err
	}
	if o.List {
		return listJobs(h.Stdout, p)
	}
	r := &run{Host: h, options: o, pipeline: p, given: given, facts: f}
	if r.version, err = h.Version(ctx); err != nil {
		return err
	}
	return r.all(ctx, parent, stop, chosen)
}

// repositoryOf finds the repository of a file, and the file's name in it.
func repositoryOf(ctx context.Context, file string) (repo forge.Repository, name string, err error) {
	path, err := filepath.Abs(file)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return repo, "", fault.Job(fmt.Errorf("the pipeline: %w", err), "name its file with --file")
	}
	if repo, err = forge.Find(ctx, filepath.Dir(path)); err != nil {
		return repo, "", err
	}
	name, err = filepath.Rel(repo.Top, path)
	if err != nil || !filepath.IsLocal(name) {
		return repo, "", fault.Job(fmt.Errorf("%s is not in the work tree of %s", path, repo.Top), "name a file of the repository with --file")
	}
	return repo, filepath.ToSlash(name), nil
}

// readPipeline reads the pipeline and says what is not understood of it.
func readPipeline(ctx context.Context, f facts, given []pipeline.Variable, warn func(string)) (pipeline.Pipeline, error) {
	root, err := os.OpenRoot(f.repository.Top) // no include leads out of it
	if err != nil {
		return pipeline.Pipeline{}, err
	}
	defer root.Close()
	p, err := pipeline.Read(ctx, root.FS(), f.file, pipeline.Input{
		Predefined: f.known(), Given: given,
		Files:   func() ([]string, error) { return f.repository.Files(ctx) },
		Changed: func(ref string) ([]string, bool) { return f.repository.Changed(ctx, ref) },
	})
	for _, w := range p.Warnings {
		warn(w)
	}
	return p, err
}

// choose are the jobs that are asked for by name, or all.
func choose(p pipeline.Pipeline, names []string) ([]pipeline.Job, error) {
	if len(names) == 0 {
		return p.Jobs, nil
	}
	var all []string
	for _, j := range p.Jobs {
		all = append(all, j.Name)
	}
	for _, n := range names {
		i := slices.IndexFunc(p.Jobs, func(j pipeline.Job) bool { return j.Name == n || j.Of == n })
		if i < 0 {
			return nil, fault.Job(fmt.Errorf("there is no job %q in this pipeline", n), "it has: "+strings.Join(all, ", "))
		}
		if j := p.Jobs[i]; j.Cannot {
			return nil, fault.Job(fmt.Errorf("job %s cannot run here: %s", n, j.Why), "--list shows which jobs can; --file takes the merged YAML of GitLab, too")
		}
	}
	var chosen []pipeline.Job
	for _, j := range p.Jobs {
		if slices.Contains(names, j.Name) || slices.Contains(names, j.Of) {
			// The result is this job's own, also if it is manual or may fail.
			j.AllowFailure = false
			switch j.When {
			case "always", "on_failure":
				j.When = "always"
			default:
				j.When = "on_success"
			}
			chosen = append(chosen, j)
		}
	}
	return chosen, nil
}

// listJobs prints the jobs in the order in which they run.
func listJobs(out io.Writer, p pipeline.Pipeline) error {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "JOB\tSTAGE\tWHEN")
	for _, j := range p.Jobs {
		fmt.Fprintf(w, "%s\t%s\t%s\n", j.Name, j.Stage, whenOf(j))
	}
	return w.Flush()
}

// whenOf says when a job runs, or why it does not.
func whenOf(j pipeline.Job) string {
	switch {
	case j.Cannot:
		return "not runnable: " + j.Why
	case j.Why != "":
		return j.When + ": " + j.Why
	default:
		return j.When
	}
}

// interruption is Ctrl-C: the first cancels the job, a second all that can be cut
// short; cleanup runs in either case.
type interruption struct {
	first, second context.Context
	end           func()
}

func newInterruption(parent context.Context) *interruption {
	signals, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	first, cancelFirst := context.WithCancel(parent)
	second, cancelSecond := context.WithCancel(parent)
	go func() {
		for _, cancel := range []func(){cancelFirst, cancelSecond} {
			select {
			case <-signals:
				cancel()
			case <-done:
				return
			}
		}
		<-done // a third changes nothing: cleanup is to finish
	}()
	return &interruption{first: first, second: second, end: func() {
		close(done)
		signal.Stop(signals)
		cancelFirst()
		cancelSecond()
	}}
}

// givenVariables reads KEY=VALUE, and KEY alone from the environment.
func givenVariables(list []string, env map[string]string) ([]pipeline.Variable, error) {
	var out []pipeline.Variable
	for _, kv := range list {
		key, value, found := strings.Cut(kv, "=")
		if !variableName.MatchString(key) {
			return nil, fault.System(errors.New("--variable: that is no name of a variable"), "such as --variable CI_REGISTRY=registry.example.com, of letters, digits and _")
		}
		if !found {
			if value, found = env[key]; !found {
				return nil, fault.System(fmt.Errorf("--variable %s: it is not in the environment", key), "export it, or give its value: --variable "+key+"=VALUE")
			}
		}
		out = append(out, pipeline.Variable{Key: key, Value: value, Raw: true})
	}
	return out, nil
}
