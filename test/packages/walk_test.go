package packages

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// long tells whether a test goes all ways, as in make test-engines.
func long() bool { return os.Getenv("DIND_E2E_LONG") != "" }

// walkTime bounds each step of a walk.
var walkTime = rig.Slower(4 * time.Minute)

// walk has the world of an admin who sets a Runner up. GitLab's API, a registry and a git server
// are stand-ins. The Runner is in a container of this machine's engine.
type walk struct {
	t     *testing.T
	world *lab.Lab
	api   *rig.JobAPI
	// runner is an image like GitLab's, with a stand-in for the Runner.
	runner string
	// config is the folder for /etc/gitlab-runner.
	config string
}

func newWalk(t *testing.T, dist string) *walk {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), walkTime)
	defer cancel()
	w := &walk{t: t, runner: rig.UniqueName("runner")}
	var err error
	if w.world, err = lab.New(ctx, lab.Options{Binary: only(t, dist+"/gitlab-dind-executor-linux-"+runtime.GOARCH)}); err != nil {
		t.Fatal(err)
	}
	closing(t, w.world)
	if err := rig.Require(ctx, w.world.Engine, rig.ImagePostgres); err != nil {
		t.Fatal(err)
	}
	rig.Unchanged(t, w.world.Engine)
	if w.api, err = rig.StartJobAPI(ctx, w.world.Engine); err != nil {
		t.Fatal(err)
	}
	closing(t, w.api)
	// Of all test images this image is Debian's in any case.
	recipe := t.TempDir()
	said(t, []string{"CGO_ENABLED=0"}, "go", "build", "-o", filepath.Join(recipe, "gitlab-runner"), "gitlab-dind-executor/test/apirunner")
	w.write(filepath.Join(recipe, "Dockerfile"), "FROM "+rig.ImagePostgres+`
USER root
COPY gitlab-runner /usr/bin/
ENTRYPOINT ["gitlab-runner"]
CMD ["run", "--config", "/etc/gitlab-runner/config.toml"]
`)
	w.build(w.runner, recipe)
	return w
}

func closing(t *testing.T, c interface{ Close() error }) {
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

func (w *walk) write(file, text string) {
	w.t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// build builds an image, and removes the image at the test's end.
func (w *walk) build(image string, args ...string) {
	w.t.Helper()
	said(w.t, []string{"DOCKER_BUILDKIT=0"}, "docker", append([]string{"build", "-q", "-t", image}, args...)...)
	w.t.Cleanup(func() {
		if out, err := docker(context.Background(), "image", "rm", image); err != nil {
			w.t.Errorf("%v: %s", err, out)
		}
	})
}

// host begins a new host, with settings for the stand-ins and the token.
func (w *walk) host() {
	w.t.Helper()
	w.config = w.t.TempDir()
	settings := read(w.t, w.world.Settings)
	w.write(w.config+"/dind.toml", strings.ReplaceAll(settings, w.world.Registry.CAFile, "/etc/gitlab-runner/registry.pem"))
	w.write(w.config+"/registry.pem", string(w.world.Registry.CAPEM))
	w.write(w.config+"/token", w.api.Token+"\n")
}

// container starts a container with the options of docker run, until the test's end.
func (w *walk) container(args ...string) (id string) {
	w.t.Helper()
	id, err := docker(w.t.Context(), append([]string{"run", "-d"}, args...)...)
	if err != nil {
		w.t.Fatalf("docker run %q: %v: %s", args, err, id)
	}
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if w.t.Failed() {
			log, _ := docker(ctx, "logs", "--tail", "40", id)
			w.t.Logf("the log of the Runner's container:\n%s", log)
		}
		if out, err := docker(ctx, "rm", "-fv", id); err != nil {
			w.t.Errorf("%v: %s", err, out)
		}
	})
	return id
}

// registers runs the first of README.md's two commands, doctor the second. call calls the program.
func (w *walk) registers(call func(args ...string) (string, error)) {
	w.t.Helper()
	out, err := call("register", "--url", w.api.URL, "--token-file", "/etc/gitlab-runner/token", "--write", "/etc/gitlab-runner/config.toml")
	if err != nil || !strings.Contains(out, `added runner "docker builds" to /etc/gitlab-runner/config.toml`) {
		w.t.Fatalf("register: %v\n%s", err, out)
	}
}

func (w *walk) doctor(call func(args ...string) (string, error), place string) {
	w.t.Helper()
	out, err := call("doctor")
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "error") {
			err = fmt.Errorf("there is an error: %s", line)
		}
	}
	if exit := (*exec.ExitError)(nil); err != nil && !(asExit(err, &exit) && exit.ExitCode() == 1) || !strings.Contains(out, "place: "+place) {
		w.t.Fatalf("doctor, which is to say %q: %v\n%s", place, err, out)
	}
}

func asExit(err error, exit **exec.ExitError) bool {
	e, ok := err.(*exec.ExitError)
	*exit = e
	return ok
}

// job lets the Runner take a job. The job builds and runs an image.
func (w *walk) job() {
	w.t.Helper()
	p := w.world.Job(
		`echo "$CI_REGISTRY_PASSWORD" | docker login -u "$CI_REGISTRY_USER" --password-stdin "$CI_REGISTRY"`,
		`printf 'FROM %s/base/busybox\nCMD ["echo", "there it is"]\n' "$CI_REGISTRY" | docker build -q -t app -`,
		`docker run --rm app`,
	)
	p.Token = fmt.Sprintf("token-of-job-%d", p.ID)
	lab.Set(&p, "CI_SERVER_URL", w.api.URL)
	j, err := w.api.Offer(p.ID, p.Token, p)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), walkTime)
	defer cancel()
	select {
	case <-j.Done():
	case <-ctx.Done():
	}
	text, _ := j.Trace()
	if end := j.End(); end.State != "success" || !strings.Contains(text, "there it is") {
		w.t.Fatalf("the first job ended as %+v:\n%s", end, text)
	}
}

// stops ends an idle Runner as compose does, after drain.
func (w *walk) stops(id string) {
	w.t.Helper()
	out, err := docker(w.t.Context(), "exec", id, "gitlab-dind-executor", "drain", "--timeout", "1m")
	if err != nil {
		w.t.Errorf("drain: %v\n%s", err, out)
	}
	if out, err := docker(w.t.Context(), "kill", "--signal", "QUIT", id); err != nil {
		w.t.Errorf("%v: %s", err, out)
	}
	if code, err := docker(w.t.Context(), "wait", id); err != nil || code != "0" {
		w.t.Errorf("the Runner ended with code %s (%v)", code, err)
	}
}

// compose is the file of docs/container.md.
type compose struct {
	Services map[string]struct {
		NetworkMode string `yaml:"network_mode"`
		PID         string `yaml:"pid"`
		StopSignal  string `yaml:"stop_signal"`
		Volumes     []string
	}
}

// options are the options of docker run for a container of the compose file. Folders of this
// machine are folders of the test.
func (w *walk) options() (args []string) {
	w.t.Helper()
	var file compose
	if err := yaml.Unmarshal([]byte(read(w.t, "../../scripts/package/runner/compose.yaml")), &file); err != nil {
		w.t.Fatal(err)
	}
	s, ok := file.Services["gitlab-runner"]
	if !ok {
		w.t.Fatal("the file of compose has no service gitlab-runner")
	}
	root, err := docker(w.t.Context(), "info", "--format", "{{.DockerRootDir}}")
	if err != nil {
		w.t.Fatal(err)
	}
	machine := filepath.Join(w.t.TempDir(), "machine-id")
	w.write(machine, "0123456789abcdef0123456789abcdef\n")
	args = append(w.common(), "--network", s.NetworkMode, "--pid", s.PID, "--stop-signal", s.StopSignal)
	here := map[string]string{
		"/var/run/docker.sock": "/var/run/docker.sock", "/etc/gitlab-runner": w.config, "/etc/machine-id": machine,
		"/run/gitlab-dind-executor": w.t.TempDir(), "/var/log/gitlab-dind-executor": w.t.TempDir(), "/var/lib/docker": root,
	}
	for _, v := range s.Volumes {
		from, at, _ := strings.Cut(v, ":")
		if here[from] == "" {
			w.t.Fatalf("the test has nothing for %s", v)
		}
		if from == "/var/lib/docker" {
			at = root
		}
		args = append(args, "--volume", here[from]+":"+at)
	}
	return args
}

// common are the options of all containers of a walk.
func (w *walk) common() []string {
	return []string{"--env", "GITLAB_DIND_EXECUTOR_INSTALLATION=" + lab.Installation, "--tmpfs", "/var/lib/postgresql"}
}

// TestWalks goes the ways of a new admin from the repository of packages to the first job, and
// those of a Runner in a container.
func TestWalks(t *testing.T) {
	if !long() {
		return // other tests have the parts
	}
	dist := release(t, "../..", "v1.2.0")
	w := newWalk(t, dist)
	image := rig.UniqueName("dind-runner")
	w.build(image, "-f", "../../scripts/package/runner/Dockerfile", "--build-arg", "RUNNER="+w.runner, "--build-arg", "ARCH="+runtime.GOARCH, dist)

	t.Run("a new admin with the repository of packages", func(t *testing.T) {
		w.t = t
		w.host()
		deb := newRepository(t, dist).deb(t)
		id := w.container(append(w.options(), "--volume", filepath.Dir(deb)+":/deb:ro", "--entrypoint", "sleep", w.runner, "infinity")...)
		call := func(args ...string) (string, error) {
			return docker(t.Context(), append([]string{"exec", id, "gitlab-dind-executor"}, args...)...)
		}
		if out, err := docker(t.Context(), "exec", id, "dpkg", "--force-confold", "-i", "/deb/"+filepath.Base(deb)); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		w.registers(call)
		w.doctor(call, "in container ")
		if out, err := docker(t.Context(), "exec", "--detach", id, "gitlab-runner", "run", "--config", "/etc/gitlab-runner/config.toml"); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		w.job()
		if out, err := call("drain", "--timeout", "1m"); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("a Runner in a container, by compose", func(t *testing.T) {
		w.t = t
		w.host()
		options := w.options()
		call := func(args ...string) (string, error) {
			return docker(t.Context(), append(append([]string{"run", "--rm", "--entrypoint", "gitlab-dind-executor"}, options...), append([]string{image}, args...)...)...)
		}
		w.registers(call)
		w.doctor(call, "in container ")
		id := w.container(append(options, image)...)
		w.job()
		w.stops(id)
	})
	t.Run("a Runner in a container, with the socket alone", func(t *testing.T) {
		w.t = t
		w.host()
		options := append(w.common(), "--volume", "/var/run/docker.sock:/var/run/docker.sock", "--volume", w.config+":/etc/gitlab-runner")
		call := func(args ...string) (string, error) {
			return docker(t.Context(), append(append([]string{"run", "--rm", "--entrypoint", "gitlab-dind-executor"}, options...), append([]string{image}, args...)...)...)
		}
		w.registers(call)
		w.doctor(call, "in container ")
		id := w.container(append(options, image)...)
		w.job()
		w.stops(id)
	})
}
