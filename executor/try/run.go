package try

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"gitlab-dind-executor/executor/forge"
	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/executor/pipeline"
	"gitlab-dind-executor/fault"
)

// grace is the time between SIGTERM and SIGKILL, as in config.toml.example.
const grace = time.Minute

// run is a run of a pipeline's jobs.
type run struct {
	Host
	options  Options
	version  string
	pipeline pipeline.Pipeline
	given    []pipeline.Variable
	facts    facts

	dir    string
	server *forge.Server
	runner *local.Runner
	ids    map[string]int64
	// artifacts is a person's folder for artifacts.
	artifacts folder
	done      []jobEnd
}

// jobEnd is the end of a job.
type jobEnd struct {
	name    string
	outcome pipeline.Outcome
	text    string
	// system tells whether the host is to blame. hint says what to do.
	system bool
	hint   string
}

// all runs the chosen jobs one after the other, and leaves nothing behind. setup bounds the
// preparation of the first job.
func (r *run) all(setup, parent context.Context, stop *interruption, chosen []pipeline.Job) (err error) {
	if r.dir, err = os.MkdirTemp("", "gitlab-dind-executor-try-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.dir)) }()
	if err := r.artifacts.open(r.options.Artifacts); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.artifacts.close()) }()
	if err := r.serve(setup, parent); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.server.Close()) }()
	log := newJobLog(r.JobLog, r.Env)
	if r.runner, err = r.localRunner(log); err != nil {
		return err
	}
	r.sayWhatRuns()
	r.ids = map[string]int64{}
	first := time.Now().Unix()
	outcomes := map[string]pipeline.Outcome{}
	for i, j := range chosen {
		if stop.first.Err() != nil {
			break
		}
		end := jobEnd{name: j.Name}
		runs, outcome, why := r.pipeline.Due(j, outcomes)
		if end.outcome, end.text = outcome, why; runs {
			r.ids[j.Name] = first + int64(i)
			end = r.job(stop, j, log)
		}
		outcomes[j.Name] = end.outcome
		r.done = append(r.done, end)
	}
	r.summary(len(chosen))
	return r.verdict(stop)
}

// serve makes the snapshot and serves it at an address that sandboxes reach.
func (r *run) serve(ctx, parent context.Context) error {
	address := r.options.Listen
	if address == "" {
		var err error
		if address, err = r.Address(ctx); err != nil {
			return err
		}
	}
	snapshot, err := r.facts.repository.Snapshot(ctx, r.dir)
	if err != nil {
		return err
	}
	r.facts.sha, r.facts.ref, r.facts.changed = snapshot.SHA, snapshot.Ref, snapshot.Changed
	files := filepath.Join(r.dir, "served")
	if err := os.Mkdir(files, 0o700); err != nil {
		return err
	}
	// The server outlives an interruption, for cleanup and a job's last stages.
	r.server, err = forge.Serve(context.WithoutCancel(parent), address, r.facts.project(), files, snapshot)
	if err == nil {
		r.facts.server, r.facts.token = r.server.URL, r.server.Token
	}
	return err
}

// localRunner is the stand-in for GitLab Runner that calls this program's hooks.
func (r *run) localRunner(log io.Writer) (*local.Runner, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	hook := func(name string) []string { return append(slices.Clone(r.Flags), "--alone", name) }
	return &local.Runner{
		Executable: self, ConfigArgs: hook("config"), PrepareArgs: hook("prepare"), RunArgs: hook("run"), CleanupArgs: hook("cleanup"),
		TempDir: r.dir, Version: r.version, ShortToken: "try", URL: r.server.URL, GracefulKillTimeout: grace,
		Log: log, RunnerLog: r.RunnerLog,
	}, nil
}

// sayWhatRuns prints the sources of the jobs.
func (r *run) sayWhatRuns() {
	f := r.facts
	kind := "branch"
	if f.repository.Tag != "" {
		kind = "tag"
	}
	text := fmt.Sprintf("project %s at %s, %s %s", f.project(), f.sha[:8], kind, f.ref)
	if f.changed {
		text += ", with uncommitted changes (files that git ignores are left out)"
	}
	fmt.Fprintln(r.Stdout, text)
	if f.repository.LFS {
		r.Warn("not understood here: Git LFS: jobs see its pointers only")
	}
}

// job runs a job to its end.
func (r *run) job(stop *interruption, j pipeline.Job, log *jobLog) jobEnd {
	fmt.Fprintf(r.Stdout, "\njob %s, stage %s\n\n", j.Name, j.Stage)
	for _, name := range r.pipeline.Sources(j) {
		if _, ran := r.ids[name]; !ran && r.leavesArtifacts(name) {
			r.Warn(j.Name + ": it gets no artifacts of " + name + ", which did not run: name it with --job, too")
		}
	}
	if len(j.Caches) > 0 {
		r.Warn(j.Name + ": not understood here: cache between jobs: it starts empty")
	}
	r.server.Runs(r.ids[j.Name])
	defer r.server.Runs(0)
	running := r.runner.Start(stop.second, r.payload(j))
	unhook := context.AfterFunc(stop.first, running.Cancel)
	defer unhook()
	res := running.Wait()
	log.flush()
	if r.options.Times {
		fmt.Fprint(r.Stdout, "\n")
		times(r.Stdout, res, log.firstLine)
	}
	log.firstLine = time.Time{}
	end := ended(j, res)
	r.sayOfReport(j)
	r.artifacts.take(stop.first, r.server, r.ids[j.Name], j.Name, func(text string) { fmt.Fprintln(r.Stdout, text) }, r.Warn)
	if scriptFailed(res, "get_sources") && !r.server.Reached() {
		end.system, end.hint = true, "no job has reached "+r.server.URL+", where the sources are: let sandboxes through to it in the firewall, or give another address with --listen"
	}
	return end
}

// scriptFailed tells whether the job's script of a stage failed. A hook's own failure does
// not count: the stage is not the cause.
func scriptFailed(res local.Result, stage string) bool {
	return slices.ContainsFunc(res.Phases, func(p local.Phase) bool { return p.Name == stage && p.ScriptFailed() })
}

func (r *run) leavesArtifacts(name string) bool {
	for _, j := range r.pipeline.Jobs {
		if j.Name == name {
			return j.Artifacts != nil
		}
	}
	return false
}

// ended returns a job's end by its result.
func ended(j pipeline.Job, res local.Result) jobEnd {
	e := jobEnd{name: j.Name, outcome: pipeline.Succeeded, text: seconds(res.Finished.Sub(res.Started))}
	if res.State == local.Success {
		return e
	}
	e.outcome, e.system = pipeline.Failed, res.State == local.SystemFailure
	e.hint = "its log says why"
	if scriptFailed(res, "prepare_script") {
		e.hint += "; the image that ran that first script is helper.image of the settings, and --runner-version chooses among GitLab's"
	}
	if res.Err != nil {
		e.text += ", " + fault.Line(res.Err)
	}
	if j.AllowFailure && allows(j.AllowExitCodes, res) {
		e.outcome = pipeline.Allowed
	}
	return e
}

// allows tells whether a failure counts as success: a failure with one of the codes or,
// without codes, any failure. A timeout has no code.
func allows(codes []int, res local.Result) bool {
	switch res.State {
	case local.Failed:
		return len(codes) == 0 || slices.Contains(codes, res.ExitCode)
	case local.TimedOut:
		return len(codes) == 0
	default:
		return false
	}
}

// summary prints a line for each job.
func (r *run) summary(asked int) {
	if asked < 2 && (len(r.done) == 0 || len(r.ids) > 0) {
		return // the log above shows the end of the only job
	}
	fmt.Fprintln(r.Stdout)
	w := tabwriter.NewWriter(r.Stdout, 0, 0, 3, ' ', 0)
	for _, e := range r.done {
		fmt.Fprintf(w, "%s\t%s\t%s\n", e.name, e.outcome, e.text)
	}
	_ = w.Flush() // a lost terminal is no reason to fail
	if names := r.doubtful(); len(names) > 0 {
		fmt.Fprintf(r.Stdout, "\nnot run, as it is not known whether GitLab runs it: %s (--job NAME runs it)\n", strings.Join(names, ", "))
	}
}

// doubtful lists the jobs that did not run because their run on GitLab is not known.
func (r *run) doubtful() (names []string) {
	for _, j := range r.pipeline.Jobs {
		if _, ran := r.ids[j.Name]; j.Maybe && !j.Cannot && !ran && slices.ContainsFunc(r.done, func(e jobEnd) bool { return e.name == j.Name }) {
			names = append(names, j.Name)
		}
	}
	return names
}

// verdict returns the run's result. The jobs' logs have shown the reasons.
func (r *run) verdict(stop *interruption) error {
	if stop.first.Err() != nil {
		return context.Canceled
	}
	failed := false
	for _, e := range r.done {
		if e.system && e.outcome == pipeline.Failed {
			return fault.System(errors.New("job "+e.name+" could not be run on this host"), e.hint)
		}
		failed = failed || e.outcome == pipeline.Failed
	}
	switch {
	case failed:
		return ErrFailed
	case len(r.ids) == 0 && slices.ContainsFunc(r.pipeline.Jobs, func(j pipeline.Job) bool { return j.Maybe || j.Cannot }):
		return fault.Job(errors.New("no job has run, and GitLab might run one"), "the summary gives the reasons; name a job to run it anyway")
	}
	return nil
}
