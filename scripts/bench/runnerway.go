package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/volume"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/realrunner"
	"gitlab-dind-executor/test/rig"
)

// realRunner is a GitLab Runner of this host that runs the jobs of both sides. Its config.toml
// has a [[runners]] for each way, with a stand-in for GitLab's job API of its own.
type realRunner struct {
	b            *bench
	binary, dir  string
	helper       string // the image of the docker executor's helper, made for this run
	docker       *runnerWay
	ways         []*runnerWay
	process      *realrunner.Process
	dockerLabels map[string]string
}

// runnerWay is a single [[runners]].
type runnerWay struct {
	runner *realRunner
	api    *rig.JobAPI // nil until the Runner starts
	// settings are the settings file of this executor. "" is the docker executor.
	settings   string
	pool, warm bool
}

// helperShell is how the docker executor's helper image starts a script.
const helperShell = "#!/bin/sh\numask 0000\nexec bash\n"

// newRealRunner makes the files and the image of a Runner that is not yet started. close
// removes them.
func (b *bench) newRealRunner(ctx context.Context, binary string) (r *realRunner, err error) {
	r = &realRunner{b: b, binary: binary}
	if r.dockerLabels, err = rig.Labels("bench"); err != nil {
		return r, err
	}
	if r.dir, err = os.MkdirTemp("", "dind-bench-"); err != nil {
		return r, err
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		return r, err
	}
	r.helper, err = rig.NewImage(ctx, b.lab.Engine, rig.ImageHelper, []rig.File{
		{Path: "/usr/bin/gitlab-runner-helper", Mode: 0o755, Content: string(program)},
		{Path: "/usr/bin/gitlab-runner-build", Mode: 0o755, Content: helperShell},
	})
	if err == nil {
		r.docker = r.way("", false)
	}
	return r, err
}

// way is the [[runners]] with these settings. Its job API is served when the Runner starts.
func (r *realRunner) way(settings string, pool bool) *runnerWay {
	for _, w := range r.ways {
		if w.settings == settings {
			return w
		}
	}
	w := &runnerWay{runner: r, settings: settings, pool: pool, warm: pool}
	r.ways = append(r.ways, w)
	return w
}

// start starts the Runner, when all ways are there.
func (r *realRunner) start(ctx context.Context) error {
	image, err := r.b.lab.Engine.ImageInspect(ctx, r.helper)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("concurrent = %d\ncheck_interval = 1\nshutdown_timeout = 20\n", 2*atOnce[len(atOnce)-1])
	for _, w := range r.ways {
		if w.api, err = rig.StartJobAPI(ctx, r.b.lab.Engine); err != nil {
			return err
		}
		if w.settings == "" {
			text += r.dockerSection(w.api, image.ID)
		} else {
			text += customSection(w.api, r.b.lab.Binary, w.settings)
		}
	}
	config := filepath.Join(r.dir, "config.toml")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	r.process, err = realrunner.Start(r.binary, r.dir, config)
	return err
}

// sectionOf begins a [[runners]].
func sectionOf(api *rig.JobAPI, executor string) string {
	q := realrunner.Quoted
	return fmt.Sprintf("\n[[runners]]\nname = \"bench\"\nurl = %s\ntoken = %s\nexecutor = %s\nrequest_concurrency = %d\n",
		q(api.URL), q(api.Token), q(executor), atOnce[len(atOnce)-1])
}

// dockerSection is the docker executor as GitLab's documentation has it for docker:dind. The
// helper image is named by its id. So no registry is asked for it, as for the Runner's own
// choice.
func (r *realRunner) dockerSection(api *rig.JobAPI, helper string) string {
	var labels strings.Builder
	for key, value := range r.dockerLabels {
		fmt.Fprintf(&labels, "%s = %s\n", realrunner.Quoted(key), realrunner.Quoted(value))
	}
	return sectionOf(api, "docker") + fmt.Sprintf(`[runners.docker]
image = "docker:cli"
privileged = true
helper_image = %s
volumes = ["/certs/client", "/cache"]
extra_hosts = [%s]
[runners.docker.container_labels]
%s`, realrunner.Quoted(helper), realrunner.Quoted(fmt.Sprintf("%s:%s", hostOf(r.b.lab.Registry.Host), r.b.lab.Registry.Addr)), labels.String())
}

func customSection(api *rig.JobAPI, binary, settings string) string {
	var b strings.Builder
	b.WriteString(sectionOf(api, "custom") + "builds_dir = \"/builds\"\ncache_dir = \"/cache\"\n[runners.custom]\n")
	for _, hook := range []string{"config", "prepare", "run", "cleanup"} {
		fmt.Fprintf(&b, "%s_exec = %s\n", hook, realrunner.Quoted(binary))
		fmt.Fprintf(&b, "%s_args = [\"--settings\", %s, %q]\n", hook, realrunner.Quoted(settings), hook)
	}
	return b.String()
}

func (w *runnerWay) ready(ctx context.Context, _ local.Payload) error {
	if !w.pool {
		return nil
	}
	return w.runner.b.fill(ctx, w.settings)
}

func (w *runnerWay) run(ctx context.Context, p local.Payload, _ int) (outcome, error) {
	if w.settings == "" {
		p = forDocker(p, w.runner.b.lab.Registry.Host)
	}
	if w.api == nil {
		return outcome{}, fmt.Errorf("the Runner was started without %s", filepath.Base(w.settings))
	}
	p.Token = fmt.Sprintf("token-of-job-%d", p.ID)
	p.Features = local.Features{FailureReasons: []string{"script_failure", "runner_system_failure", "job_execution_timeout"}}
	// With this flag each line of the log has its time.
	p.Variables = append(append([]local.Variable{}, p.Variables...), local.Variable{Key: "FF_TIMESTAMPS", Value: "true", Public: true})
	j, err := w.api.Offer(p.ID, p.Token, p)
	if err != nil {
		return outcome{}, err
	}
	select {
	case <-j.Done():
	case <-w.runner.process.Ended():
		return outcome{}, fault.System(errors.New("the Runner ended by itself"), "its log:\n"+w.runner.process.Log())
	case <-ctx.Done():
		text, _ := j.Trace()
		return outcome{}, fmt.Errorf("the job does not end: %w\n%s", ctx.Err(), lastOf(text))
	}
	log, _ := j.Trace()
	if end := j.End(); end.State != "success" {
		return outcome{}, fmt.Errorf("the job ended as %+v\n%s", end, lastOf(log))
	}
	if w.warm && !strings.Contains(log, "(from the pool)") {
		return outcome{}, fmt.Errorf("the job did not take the sandbox that waited: %s", lastOf(log))
	}
	o := outcome{first: saidAt(log)}
	o.taken, o.ended = j.Times()
	return o, nil
}

// stampedLine matches the first line of a script in a log whose lines have their times.
var stampedLine = regexp.MustCompile(`(?m)^(\d{4}-\d\d-\d\dT[0-9:.]+Z) [0-9a-f]{2}[OE][+ ]?` + regexp.QuoteMeta(firstLine) + `\r?$`)

// saidAt is the time of the script's first line, zero where the line is missing.
func saidAt(log string) time.Time {
	m := stampedLine.FindStringSubmatch(log)
	if m == nil {
		return time.Time{}
	}
	at, _ := time.Parse(time.RFC3339Nano, m[1]) // the zero time on an error
	return at
}

// close ends the Runner and removes its leftovers. The docker executor leaves volumes that
// outlive jobs, and containers of jobs that were cut off.
func (r *realRunner) close(ctx context.Context) error {
	var errs []error
	if r.process != nil {
		errs = append(errs, r.process.Stop())
	}
	if r.docker != nil && r.docker.api != nil {
		errs = append(errs, r.removeLeft(ctx))
	}
	for _, w := range r.ways {
		if w.api != nil {
			errs = append(errs, w.api.Close())
		}
	}
	if r.helper != "" {
		errs = append(errs, rig.RemoveName(r.b.lab.Engine, r.helper))
	}
	if r.dir != "" {
		errs = append(errs, os.RemoveAll(r.dir))
	}
	return errors.Join(errs...)
}

// ownedBy tells whether labels are of an object of the Runner with a token. No other Runner has
// the token, and the docker executor writes a part of the token into a label.
func ownedBy(labels map[string]string, token string) bool {
	const least = 8 // characters of the token; random ones follow its prefix
	id := labels["com.gitlab.gitlab-runner.runner.id"]
	return len(id) >= least && strings.HasPrefix(strings.TrimPrefix(token, "glrt-"), id)
}

func (r *realRunner) removeLeft(ctx context.Context) error {
	engine, token := r.b.lab.Engine, r.docker.api.Token
	var errs []error
	containers, err := engine.ContainerList(ctx, container.ListOptions{All: true})
	errs = append(errs, err)
	for _, c := range containers {
		if ownedBy(c.Labels, token) {
			errs = append(errs, gone(engine.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})))
		}
	}
	volumes, err := engine.VolumeList(ctx, volume.ListOptions{})
	errs = append(errs, err)
	for _, v := range volumes.Volumes {
		if ownedBy(v.Labels, token) {
			errs = append(errs, gone(engine.VolumeRemove(ctx, v.Name, false)))
		}
	}
	return errors.Join(errs...)
}
