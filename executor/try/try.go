package try

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"gitlab-dind-executor/executor/pipeline"
	"gitlab-dind-executor/fault"
)

// setupBound bounds the preparation of the first job, a look at all files included.
const setupBound = 5 * time.Minute

// ErrFailed says: a job failed. The job's log has shown the reason.
var ErrFailed = errors.New("a job failed")

// Options are a person's choices.
type Options struct {
	// File is the pipeline's file. Listen is the address for the sources; empty: at
	// Address.
	File, Listen string
	// Tag, if set, is the tag for a tag's pipeline.
	Tag string
	// Artifacts is a folder for the jobs' artifacts, "" for none.
	Artifacts string
	// Jobs are names, none for all. Variables are KEY=VALUE, or KEY alone.
	Jobs, Variables              []string
	List, JSON, Times, Protected bool
}

// Host is the program that tries jobs, and where it runs.
type Host struct {
	Env map[string]string
	// Stdin holds the pipeline where File is "-".
	Stdin io.Reader
	// Stdout is for lines of try's own. JobLog gets a job's log unchanged, RunnerLog the
	// Runner's log.
	Stdout, JobLog, RunnerLog io.Writer
	Warn                      func(text string)
	// Flags come before the name of a hook.
	Flags []string
	// Version returns the Runner's version for the choice of the helper image, "" where
	// none is needed.
	Version func(context.Context) (string, error)
	// Address returns this host's address for sandboxes.
	Address func(context.Context) (string, error)
}

// Run reads the pipeline and runs its jobs, or lists them. A failed job is ErrFailed.
func Run(parent context.Context, o Options, h Host) error {
	stop := newInterruption(parent)
	defer stop.end()
	ctx, cancel := context.WithTimeout(stop.first, setupBound)
	defer cancel()
	r := &run{Host: h, options: o}
	if err := r.read(ctx); err != nil {
		return err
	}
	chosen, err := choose(r.pipeline, o.Jobs)
	switch {
	case err != nil:
		return err
	case o.List && o.JSON:
		return listJSON(h.Stdout, r.pipeline)
	case o.List:
		return listJobs(h.Stdout, r.pipeline)
	}
	if r.version, err = h.Version(ctx); err != nil {
		return err
	}
	return r.all(ctx, parent, stop, chosen)
}

// Names returns the names of the jobs that can run, for completion by a shell.
func Names(ctx context.Context, o Options, env map[string]string) ([]string, error) {
	r := &run{Host: Host{Env: env, Stdin: strings.NewReader(""), Warn: func(string) {}}, options: o}
	if err := r.read(ctx); err != nil {
		return nil, err
	}
	p := r.pipeline
	p.Jobs = slices.DeleteFunc(slices.Clone(p.Jobs), func(j pipeline.Job) bool { return j.Cannot })
	return namesOf(p), nil
}

// read finds the repository and reads the pipeline.
func (r *run) read(ctx context.Context) (err error) {
	o := r.options
	if r.given, err = givenVariables(o.Variables, r.Env); err != nil {
		return err
	}
	from, err := sourceOf(ctx, o.File, r.Stdin)
	if err != nil {
		return err
	}
	repo := from.repository
	if o.Tag != "" && !repo.FitForTag(ctx, o.Tag) {
		return fault.System(fmt.Errorf("--tag: %q is no name of a tag", o.Tag), "such as --tag v1.2.0")
	}
	repo.Tag = o.Tag
	r.facts = facts{
		repository: repo, sha: repo.SHA, ref: cmp.Or(o.Tag, repo.Branch), file: from.name, protected: o.Protected,
		user: userOf(repo, r.Env), created: time.Now(),
	}
	if o.Tag != "" {
		r.facts.tagMessage = repo.TagMessage(ctx, o.Tag)
	}
	r.pipeline, err = readPipeline(ctx, from, r.facts, r.given, r.Warn)
	return err
}

// readPipeline reads the pipeline, and warns of parts without a meaning here.
func readPipeline(ctx context.Context, from source, f facts, given []pipeline.Variable, warn func(string)) (pipeline.Pipeline, error) {
	root, err := os.OpenRoot(f.repository.Top) // no include leads out of the repository
	if err != nil {
		return pipeline.Pipeline{}, err
	}
	defer root.Close()
	p, err := pipeline.Read(ctx, from.over(root.FS()), f.file, pipeline.Input{
		Predefined: f.known(), Given: given,
		Files:   func() ([]string, error) { return f.repository.Files(ctx) },
		Changed: func(ref string) ([]string, bool) { return f.repository.Changed(ctx, ref) },
	})
	for _, w := range p.Warnings {
		warn(w)
	}
	return p, err
}

// interruption is Ctrl-C. The first cancels the job, a second everything that can be cut
// short. cleanup runs in either case.
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
		<-done // a third changes nothing: cleanup must finish
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
