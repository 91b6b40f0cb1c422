package executor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/executor/forge"
	"gitlab-dind-executor/executor/pipeline"
	"gitlab-dind-executor/fault"
)

// trySetupBound is for what comes before the jobs, a look at all files included.
const trySetupBound = 5 * time.Minute

// tryOptions are the flags of try.
type tryOptions struct {
	file, listen, version  string
	jobs, variables        []string
	list, times, protected bool
}

// tryCommand runs jobs of a pipeline on this host, without a GitLab.
func (c *call) tryCommand() *cobra.Command {
	var o tryOptions
	cmd := &cobra.Command{
		Use:   "try",
		Short: "Run a job of a .gitlab-ci.yml on this host, without a GitLab",
		Long: "Runs the jobs of a pipeline one after the other through the same hooks that GitLab Runner\n" +
			"calls, with these settings, on this host's engine. Sources come from the git repository\n" +
			"that the file is in, uncommitted changes included. What it does not understand of the\n" +
			"pipeline has a line each. It ends with 0 if the jobs succeed, 1 if one fails and 2 if the\n" +
			"host is to blame; Ctrl-C cancels as the button in GitLab does.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.try(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.file, "file", ".gitlab-ci.yml", "the pipeline's `FILE`")
	f.StringArrayVar(&o.jobs, "job", nil, "run the job of this `NAME`, whatever its rules say; may be given again (default: all)")
	f.StringArrayVar(&o.variables, "variable", nil, "set a variable, `KEY=VALUE`, or KEY to take it from the environment; may be given again")
	f.BoolVar(&o.list, "list", false, "only list the jobs and what is not understood")
	f.BoolVar(&o.times, "times", false, "show how long each hook took")
	f.BoolVar(&o.protected, "protected", false, "run as on a protected branch, for policies")
	f.StringVar(&o.listen, "listen", "", "`ADDRESS` or address:port of this host at which jobs fetch their sources (default: that of the engine's bridge)")
	f.StringVar(&o.version, "runner-version", "", "the `VERSION` of GitLab Runner, for helper.image (default: that of the gitlab-runner on this host)")
	return cmd
}

// try reads the pipeline and runs its jobs.
func (c *call) try(parent context.Context, o tryOptions) error {
	given, err := givenVariables(o.variables, c.env)
	if err != nil {
		return err
	}
	stop := newInterruption(parent)
	defer stop.end()
	ctx, cancel := context.WithTimeout(stop.first, trySetupBound)
	defer cancel()

	repo, name, err := repositoryOf(ctx, o.file)
	if err != nil {
		return err
	}
	facts := tryFacts{repository: repo, sha: repo.SHA, ref: repo.Branch, file: name, protected: o.protected}
	p, err := c.readPipeline(ctx, facts, given)
	if err != nil {
		return err
	}
	chosen, err := choose(p, o.jobs)
	if err != nil {
		return err
	}
	if o.list {
		return c.listJobs(p)
	}
	settings, err := c.load()
	if err != nil {
		return err
	}
	r := &tryRun{call: c, options: o, settings: settings, pipeline: p, given: given, facts: facts}
	if r.version, err = tryVersion(ctx, settings, o.version); err != nil {
		return err
	}
	return r.run(ctx, parent, stop, chosen)
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
func (c *call) readPipeline(ctx context.Context, f tryFacts, given []pipeline.Variable) (pipeline.Pipeline, error) {
	root, err := os.OpenRoot(f.repository.Top) // no include leads out of it
	if err != nil {
		return pipeline.Pipeline{}, err
	}
	defer root.Close()
	p, err := pipeline.Read(ctx, root.FS(), f.file, pipeline.Input{Predefined: f.variables(), Given: given})
	for _, w := range p.Warnings {
		c.log.warn(w)
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
		if !slices.Contains(all, n) {
			return nil, fault.Job(fmt.Errorf("there is no job %q in this pipeline", n), "it has: "+strings.Join(all, ", "))
		}
	}
	var chosen []pipeline.Job
	for _, j := range p.Jobs {
		if slices.Contains(names, j.Name) {
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
func (c *call) listJobs(p pipeline.Pipeline) error {
	w := tabwriter.NewWriter(c.stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "JOB\tSTAGE\tWHEN")
	for _, j := range p.Jobs {
		fmt.Fprintf(w, "%s\t%s\t%s\n", j.Name, j.Stage, j.When)
	}
	return w.Flush()
}

// tryVersion is the Runner's version that chooses the helper image, or "" where
// none is needed.
func tryVersion(ctx context.Context, s config.Settings, asked string) (string, error) {
	if asked != "" {
		if !released.MatchString(asked) {
			return "", fault.System(fmt.Errorf("--runner-version: %q is no version", asked), "such as 18.6.6")
		}
		return asked, nil
	}
	v, err := runnerVersion(ctx, s.Helper.RunnerBinary)
	if err != nil && !strings.Contains(s.Helper.Image, "{version}") {
		return "", nil
	}
	return v, err
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
func givenVariables(list []string, env environment) ([]pipeline.Variable, error) {
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
