package engines

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/client"

	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// The places in each of the two hosts for its Runner's files.
const (
	hostSettings = "/etc/gitlab-runner/dind.toml"
	hostConfig   = "/etc/gitlab-runner/config.toml"
	hostCAs      = "/etc/gitlab-runner/cas"
	runnerPID    = "/run/runner.pid"
)

// jobTime is for jobs that wait for each other.
var jobTime = rig.Slower(4 * time.Minute)

// pair are two hosts whose Runners take jobs with the same token. They share a mirror of the
// Docker Hub. Everything outside of the hosts runs on this machine's engine.
type pair struct {
	t     *testing.T
	world *lab.Lab
	api   *rig.JobAPI
	hub   *rig.Registry
	hosts []*host
}

// shareJobs runs jobs of one queue on two hosts, at once and in turn. Each host pulls images
// that the other built. The same mirror serves both, and a host drains while the other goes on.
func shareJobs(t *testing.T, cli *client.Client) {
	p := newPair(t, cli)

	// A Runner here has one job at a time. Two jobs that need each other's image end only where
	// each has a host of its own.
	one, two := p.offer("one", "two"), p.offer("two", "one")
	p.succeeded(one, "\nthere it is\n", "\nthe image says two\n")
	p.succeeded(two, "\nthere it is\n", "\nthe image says one\n")

	// Images in the mirror need no Docker Hub any more, on neither host.
	if err := p.hub.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	three := p.offer("three", "four")
	p.says(three, "\nthere it is\n")
	leaving := p.busy()
	leaving.must(bootTime, "sh", "-c", "kill -QUIT $(cat "+runnerPID+")")
	drained := make(chan string, 1)
	go func() {
		var said bytes.Buffer
		err := leaving.run(t.Context(), jobTime, &said, nil, programs+"/gitlab-dind-executor", "--settings", hostSettings, "drain")
		drained <- fmt.Sprintf("%s%v", said.String(), err)
	}()
	four := p.offer("four", "three")
	p.succeeded(four, "\nthere it is\n", "\nthe image says three\n")
	p.succeeded(three, "\nthe image says four\n")
	if said := <-drained; !strings.HasPrefix(said, "waiting for ") || !strings.HasSuffix(said, "\nno job is left\n<nil>") {
		t.Errorf("drain said: %s", said)
	}
	if left := leaving.must(bootTime, "docker", "ps", "-aq"); left != "" {
		t.Errorf("containers are left on the host that was drained: %s", left)
	}
	five := p.offer("five", "four")
	p.succeeded(five, "\nthere it is\n", "\nthe image says four\n")
	if log := leaving.must(bootTime, "sh", "-c", "cat /run/runner.log; kill -0 $(cat "+runnerPID+") 2>&1 || true"); !strings.Contains(log, "No such process") {
		t.Errorf("the Runner of the host that was drained goes on: %s", log)
	}
}

// newPair makes two hosts with different engines, the newest and another, and starts their
// Runners.
func newPair(t *testing.T, cli *client.Client) *pair {
	t.Helper()
	p := &pair{t: t}
	images := append(rig.Images(), hosts["forky"])
	require(t, cli, images...)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	closing := func(c interface{ Close() error }) {
		t.Cleanup(func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	var err error
	if p.world, err = lab.New(ctx, lab.Options{Binary: buildPrograms(t) + "/gitlab-dind-executor"}); err != nil {
		t.Fatal(err)
	}
	closing(p.world)
	if p.api, err = rig.StartJobAPI(ctx, cli); err != nil {
		t.Fatal(err)
	}
	closing(p.api)
	if p.hub, err = rig.StartRegistry(ctx, cli, "hub.rig.test", rig.RegistryOptions{Anonymous: true}); err != nil {
		t.Fatal(err)
	}
	closing(p.hub)
	if err := p.hub.Push(ctx, cli, rig.ImageBusybox, "library/busybox:latest"); err != nil {
		t.Fatal(err)
	}
	mirror, err := rig.StartRegistry(ctx, cli, "mirror.rig.test", rig.RegistryOptions{Anonymous: true, MirrorOf: p.hub})
	if err != nil {
		t.Fatal(err)
	}
	closing(mirror)
	for _, image := range []string{hosts["forky"], hosts["trixie"]} {
		h := startHost(t, cli, image, rig.ImageDind, rig.ImageCLI, rig.ImageHelper)
		p.hosts = append(p.hosts, h)
		p.startRunner(h, mirror)
	}
	return p
}

// startRunner gives a host its settings and starts its Runner.
func (p *pair) startRunner(h *host, mirror *rig.Registry) {
	p.t.Helper()
	settings, err := os.ReadFile(p.world.Settings)
	if err != nil {
		p.t.Fatal(err)
	}
	text := strings.NewReplacer(
		p.world.Registry.CAFile, hostCAs+"/registry.pem",
		"[sidecar]\n", "[sidecar]\nregistry_mirrors = [\"https://"+mirror.Host+"\"]\n",
		"extra_hosts = [", "extra_hosts = [\"mirror.rig.test:"+mirror.Addr.String()+"\", ",
	).Replace(string(settings)) + fmt.Sprintf("[registry.%q]\nca_file = %q\n", mirror.Host, hostCAs+"/mirror.pem")
	h.write(hostSettings, text)
	h.write(hostCAs+"/registry.pem", string(p.world.Registry.CAPEM))
	h.write(hostCAs+"/mirror.pem", string(mirror.CAPEM))
	config := fmt.Sprintf("[[runners]]\nurl = %q\ntoken = %q\n[runners.custom]\nconfig_exec = %q\n", p.api.URL, p.api.Token, programs+"/gitlab-dind-executor")
	for _, hook := range []string{"config", "prepare", "run", "cleanup"} {
		config += fmt.Sprintf("%s_args = [\"--settings\", %q, %q]\n", hook, hostSettings, hook)
	}
	h.write(hostConfig, config)
	h.must(bootTime, "sh", "-c", "setsid -f sh -c 'echo $$ >"+runnerPID+"; exec "+programs+"/apirunner run --config "+hostConfig+"' </dev/null >/run/runner.log 2>&1")
}

// offer queues a job. The job pulls from the Docker Hub, builds and pushes an image with its
// name, and waits for another job's image.
func (p *pair) offer(name, other string) *rig.OfferedJob {
	p.t.Helper()
	job := p.world.Job(
		lab.Login,
		`docker pull -q busybox && docker run --rm busybox echo "there it is"`,
		`printf 'FROM busybox\nCMD ["echo", "the image says `+name+`"]\n' | docker build -q -t $CI_REGISTRY_IMAGE:`+name+` -`,
		`docker push -q $CI_REGISTRY_IMAGE:`+name,
		`until docker pull -q $CI_REGISTRY_IMAGE:`+other+` 2>/dev/null; do sleep 0.5; done`,
		`docker run --rm $CI_REGISTRY_IMAGE:`+other,
	)
	job.Token = fmt.Sprintf("token-of-job-%d", job.ID)
	lab.Set(&job, "CI_SERVER_URL", p.api.URL)
	j, err := p.api.Offer(job.ID, job.Token, job)
	if err != nil {
		p.t.Fatal(err)
	}
	return j
}

// says waits until a job's log has a text.
func (p *pair) says(j *rig.OfferedJob, want string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), jobTime)
	defer cancel()
	for {
		text, more := j.Trace()
		if strings.Contains(strings.ReplaceAll(text, "\r", ""), want) {
			return
		}
		select {
		case <-more:
		case <-j.Done():
			p.t.Fatalf("the job ended without %q:\n%s", want, text)
		case <-ctx.Done():
			p.t.Fatalf("the job does not say %q:\n%s", want, text)
		}
	}
}

// succeeded waits for a job's end and looks for texts in its log.
func (p *pair) succeeded(j *rig.OfferedJob, want ...string) {
	p.t.Helper()
	select {
	case <-j.Done():
	case <-time.After(jobTime):
	}
	text, _ := j.Trace()
	if end := j.End(); end.State != "success" {
		p.t.Fatalf("the job ended as %+v:\n%s", end, text)
	}
	for _, w := range want {
		if !strings.Contains(strings.ReplaceAll(text, "\r", ""), w) {
			p.t.Errorf("the job does not say %q:\n%s", w, text)
		}
	}
}

// busy returns the host that has a job.
func (p *pair) busy() *host {
	p.t.Helper()
	for _, h := range p.hosts {
		if strings.Contains(h.must(bootTime, "docker", "ps", "--format", "{{.Names}}"), "-job") {
			return h
		}
	}
	p.t.Fatal("no host has the job")
	return nil
}
