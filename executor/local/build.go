package local

import (
	"context"
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
)

// build is a job under way. The config hook's answer stays over all attempts, as in the
// Runner: only the first config hook finds CI_PROJECT_DIR empty.
type build struct {
	runner  *Runner
	shape   shape
	payload Payload
	// unfit is the Runner's own reason to refuse the job, or nil.
	unfit error
	job   *Job
	log   *jobLog

	hostname   string
	shell      string
	buildsDir  string
	projectDir string
	cacheDir   string
	shared     bool

	mu   sync.Mutex // cleanup may run beside a stage
	vars variables  // nil until asked for
}

func newBuild(r *Runner, p Payload, j *Job) *build {
	b := &build{runner: r, shape: shapeOf(r.Version), job: j, shell: "bash"}
	p, b.unfit = b.shape.stepped(p)
	b.payload = p
	vars := b.variables()
	b.payload.Image.Name = vars.expandValue(p.Image.Name)
	b.payload.Image.Alias = vars.expandValue(p.Image.Alias)
	b.payload.Services = nil
	if p.Services != nil {
		b.payload.Services = []Image{}
	}
	for _, s := range p.Services {
		s.Name, s.Alias = vars.expandValue(s.Name), vars.expandValue(s.Alias)
		b.payload.Services = append(b.payload.Services, s)
	}
	hidden := append(vars.masked(), p.Token)
	prefixes := append(append([]string{}, tokenPrefixes...), p.Features.TokenMaskPrefixes...)
	b.log = newJobLog(
		r.Log, secrets(hidden, prefixes), r.SectionMarkers && p.Features.TraceSections,
		func() int64 { return r.Now().Unix() },
	)
	return b
}

// run runs the job within ctx. The cause of ctx says why the job was ended early.
func (b *build) run(ctx context.Context) Result {
	started := b.runner.Now()
	b.log.print("Running with gitlab-runner " + b.runner.Version + " (" + revision + ")")
	ctx, cancel := context.WithTimeout(ctx, b.timeout())
	defer cancel()

	var attempts int
	var a *attempt
	err := b.unfit
	if err == nil {
		attempts, a, err = b.prepare(ctx)
	}
	var stages <-chan struct{}
	if err == nil {
		stages, err = b.runStages(ctx, a)
		a.cleanup()
	}

	res := verdict(err)
	switch {
	case err == nil:
		b.log.info("Job succeeded")
	case res.FailureReason == reasonSystem:
		b.log.fail("Job failed (system failure): " + err.Error())
	default:
		b.log.fail("Job failed: " + err.Error())
	}
	res.Attempts, res.Started, res.Finished = attempts, started, b.runner.Now()
	if stages != nil {
		<-stages
	}
	return res
}

// prepare makes attempts until an attempt is ready. prepare cleans up the others.
func (b *build) prepare(ctx context.Context) (n int, ready *attempt, err error) {
	err = b.log.section("prepare_executor", `Preparing the "custom" executor`, func() error {
		for n = 1; ; n++ {
			a := &attempt{build: b, number: n}
			err := a.prepare(ctx)
			if err == nil {
				ready = a
				return nil
			}
			a.cleanup()
			if isJobError(err) {
				return err
			}
			if ctx.Err() != nil {
				_, err = runtimeState(context.Cause(ctx), b.timeout())
				return err
			}
			// The Runner announces and waits after the last attempt too.
			b.log.fail("Preparation failed: " + err.Error())
			b.log.info(fmt.Sprintf("Will be retried in %v ...", b.runner.PrepareRetryDelay))
			if !sleep(ctx, b.runner.PrepareRetryDelay) {
				_, err = runtimeState(context.Cause(ctx), b.timeout())
				return err
			}
			if n == prepareAttempts {
				return err
			}
		}
	})
	return n, ready, err
}

// runStages runs the stages until they or ctx end. After the end of ctx the stages have
// StageWait to end. done is closed when they have ended, at the latest after the time for
// SIGKILL.
func (b *build) runStages(ctx context.Context, a *attempt) (done <-chan struct{}, err error) {
	finished := make(chan struct{})
	var stagesErr error
	go func() {
		defer close(finished)
		stagesErr = a.stages(ctx)
	}()

	select {
	case <-finished:
		if ctx.Err() == nil {
			return finished, stagesErr
		}
	case <-ctx.Done():
		wait := time.NewTimer(b.runner.StageWait)
		defer wait.Stop()
		select {
		case <-finished:
		case <-wait.C:
			b.log.warn("Timed out waiting for the build to finish")
		}
	}
	_, err = runtimeState(context.Cause(ctx), b.timeout())
	return finished, err
}

// sleep waits for d, and is false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// variables returns all variables of the job, expanded.
func (b *build) variables() variables {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.vars == nil {
		b.vars = b.predefined()
	}
	return b.vars
}

// refreshVariables discards the variables: the next call of variables makes them anew.
func (b *build) refreshVariables() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.vars = nil
}

// setStatus overwrites the Runner's CI_JOB_STATUS.
func (b *build) setStatus(status string) {
	vars := append(variables{}, b.variables()...)
	for i := range vars {
		if vars[i].Key == "CI_JOB_STATUS" {
			vars[i].Value = status
			break
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.vars = vars
}

// setDirs places the project in the folders for builds and caches.
func (b *build) setDirs(buildsDir, cacheDir string) {
	b.buildsDir = buildsDir
	slug := b.projectSlug()
	if strategy(b.variables(), b.payload.AllowGitFetch) == strategyEmpty {
		slug += "-empty"
	}
	b.cacheDir = path.Join(cacheDir, slug)
	if b.shared {
		slug = path.Join(b.runner.ShortToken, strconv.Itoa(b.runner.ConcurrentID), slug)
	}
	b.projectDir = path.Join(buildsDir, slug)
	b.refreshVariables()
}

// projectSlug returns the project's path on its server, or the project's number without a
// server.
func (b *build) projectSlug() string {
	u, err := url.Parse(b.payload.GitInfo.RepoURL)
	if err == nil && u.Host != "" {
		slug := path.Clean(strings.TrimSuffix(u.Path, ".git"))
		if slug != "." && !strings.Contains(slug, "..") {
			return slug
		}
	}
	return "project-" + strconv.FormatInt(b.payload.JobInfo.ProjectID, 10)
}

// timeout returns the job's timeout.
func (b *build) timeout() time.Duration {
	if s := b.payload.RunnerInfo.Timeout; s > 0 {
		return time.Duration(s) * time.Second
	}
	return 2 * time.Hour
}
