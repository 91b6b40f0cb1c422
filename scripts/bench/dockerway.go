package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// dockerWay does the work of GitLab Runner's docker executor for a job with a docker:dind
// service. It makes the same calls of the engine in the same order, with the executor's
// defaults and privileged = true. Its facts come from executors/docker of GitLab Runner 18 and
// 19. It leaves out the Runner's own needs, such as the start of its helper binary.
type dockerWay struct {
	b *bench
	// name begins the names of all its objects.
	name string
	// scripts are the scripts of jobs that have run, by the jobs' content.
	scripts map[string][]stageScript
	mu      sync.Mutex
}

func (b *bench) newDockerWay() *dockerWay {
	return &dockerWay{b: b, name: rig.UniqueName("bench"), scripts: map[string][]stageScript{}}
}

func (w *dockerWay) ready(ctx context.Context, p local.Payload) error {
	_, err := w.scriptsOf(ctx, forDocker(p, w.b.lab.Registry.Host))
	return err
}

// scriptsOf are the Runner's scripts for a job. The Runner needs hardly any time for them. So
// they are written before the job is taken up, and once for all jobs with the same content.
func (w *dockerWay) scriptsOf(ctx context.Context, p local.Payload) ([]stageScript, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := fmt.Sprint(p.GitInfo, p.Steps)
	if known, ok := w.scripts[key]; ok {
		return known, nil
	}
	scripts, err := w.b.record(ctx, p)
	if err == nil {
		w.scripts[key] = scripts
	}
	return scripts, err
}

func (w *dockerWay) run(ctx context.Context, p local.Payload, place int) (o outcome, err error) {
	p = forDocker(p, w.b.lab.Registry.Host)
	scripts, err := w.scriptsOf(ctx, p)
	if err != nil {
		return o, err
	}
	labels, err := rig.Labels("bench")
	if err != nil {
		return o, err
	}
	project := fmt.Sprintf("%s-project-%d-concurrent-%d", w.name, p.JobInfo.ProjectID, place)
	j := &dockerJob{
		dockerCalls: dockerCalls{engine: w.b.lab.Engine, labels: labels},
		p:           p, project: project, name: fmt.Sprintf("%s-%d", project, p.ID),
		hosts: []string{fmt.Sprintf("%s:%s", hostOf(w.b.lab.Registry.Host), w.b.lab.Registry.Addr)},
	}
	defer func() {
		if err != nil { // else cleanup has removed everything
			err = errors.Join(err, w.b.remove(ctx, j.name))
		}
	}()
	o.taken = time.Now()
	err = j.prepare(ctx)
	for _, s := range scripts {
		if err == nil {
			err = j.stage(ctx, s)
		}
	}
	err = errors.Join(err, j.cleanup(context.WithoutCancel(ctx)))
	o.ended = time.Now()
	if err != nil {
		return o, fmt.Errorf("the docker executor's way: %w\n%s", errors.Join(err, ctx.Err()), lastOf(j.log.all.String()))
	}
	o.first = j.log.at
	return o, nil
}

// close removes the volumes that outlive jobs.
func (w *dockerWay) close(ctx context.Context) error { return w.b.remove(ctx, w.name) }

// forDocker is a job as GitLab's documentation writes jobs for the docker executor. The client
// gets the daemon's address. The daemon accepts the registry, whose CA it does not know.
func forDocker(p local.Payload, registry string) local.Payload {
	p.Variables = append([]local.Variable{}, p.Variables...)
	for _, v := range [][2]string{
		{"DOCKER_HOST", "tcp://docker:2376"}, {"DOCKER_TLS_CERTDIR", "/certs"}, {"DOCKER_TLS_VERIFY", "1"}, {"DOCKER_CERT_PATH", "/certs/client"},
	} {
		p.Variables = append(p.Variables, local.Variable{Key: v[0], Value: v[1], Public: true})
	}
	p.Services = append([]local.Image{}, p.Services...)
	for i := range p.Services {
		p.Services[i].Alias, p.Services[i].Command = "docker", []string{"--insecure-registry=" + registry}
	}
	return p
}

// hostOf is a host without its port.
func hostOf(address string) string {
	host, _, _ := strings.Cut(address, ":")
	return host
}
