package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// hub is a stand-in for the Docker Hub, over TLS by a CA of its own, with settings for a mirror
// of it.
type hub struct {
	*rig.Registry
	settings string
}

// startHub starts a hub with the image busybox, and writes settings with a mirror of the hub.
// At the test's end all mirrors go.
func startHub(t *testing.T, more string) *hub {
	t.Helper()
	rig.Unchanged(t, world.Engine)
	r, err := rig.StartRegistry(t.Context(), world.Engine, "hub.rig.test", rig.RegistryOptions{Anonymous: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := r.Push(t.Context(), world.Engine, rig.ImageBusybox, "library/busybox:latest"); err != nil {
		t.Fatal(err)
	}
	h := &hub{Registry: r}
	h.settings = settingsWith(t, fmt.Sprintf(`
[mirror]
enabled = true
image = %q
remote = "https://%s"
%s
[registry.%q]
ca_file = %q
`, rig.ImageRegistry, r.Host, more, r.Host, r.CAFile))
	h.set(t, "extra_hosts = [", "\"hub.rig.test:"+r.Addr.String()+"\", ")
	t.Cleanup(func() {
		removedBehind(t) // a mirror that jobs use stays
		h.command(t, "mirror", "remove")
	})
	return h
}

// set puts text behind a place in the settings.
func (h *hub) set(t *testing.T, after, text string) {
	t.Helper()
	b, err := os.ReadFile(h.settings)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.settings, []byte(strings.Replace(string(b), after, after+text, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// start makes and starts the mirror and waits for its answer. Jobs on a busy host do not wait.
func (h *hub) start(t *testing.T) {
	t.Helper()
	if said := h.command(t, "mirror", "start"); !strings.Contains(said, " at http://") {
		t.Errorf("mirror start: %s", said)
	}
}

// command runs the executor with the hub's settings.
func (h *hub) command(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(world.Binary, append([]string{"--settings", h.settings}, args...)...).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// mirrors are the containers of mirrors.
func mirrors(t *testing.T) []container.Summary {
	t.Helper()
	all, err := world.Engine.ContainerList(t.Context(), container.ListOptions{All: true})
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(c container.Summary) bool { return c.Labels["gitlab-dind-executor.role"] != "mirror" })
}

// mirror returns the only mirror, and fails if there is any other number.
func (h *hub) mirror(t *testing.T) container.Summary {
	t.Helper()
	m := mirrors(t)
	if len(m) != 1 {
		t.Fatalf("there are %d mirrors", len(m))
	}
	return m[0]
}

// All jobs have the same mirror. An image pulled by a job is there for the next, although the
// registry behind is gone.
func TestABaseImageCrossesTheNetworkOnce(t *testing.T) {
	h := startHub(t, "")
	h.start(t)
	pull := []string{
		seesMirror, pullsBusybox,
		`docker rmi -f busybox >/dev/null; printf 'FROM busybox\nRUN echo built on "$(hostname)"\n' | docker build --progress=plain --no-cache - 2>&1`,
	}
	push := post + `; m=$(docker info -f '{{index .RegistryConfig.Mirrors 0}}'); echo "a push is answered $(post "${m%/}/v2/mine/blobs/uploads/")"`
	runJobUnchecked(t, world.Job(append(pull[:2:2], push, pull[2])...), under(h.settings)).succeeded().quietCleanup().saysNot("warning").
		says("mirrors [http://", "there it is", "\na push is answered 405\n", "built on")
	h.mirror(t)
	if err := h.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	runJobUnchecked(t, world.Job(pull...), under(h.settings)).succeeded().quietCleanup().says("there it is", "built on")
	if said := h.command(t, "mirror", "status"); !strings.Contains(said, "running at ") || !strings.Contains(said, "MB, 0 jobs, the settings'") {
		t.Errorf("mirror status: %s", said)
	}
	if said := h.command(t, "gc"); said != "nothing to remove\n" {
		t.Errorf("gc: %s", said)
	}
}

// seesMirror is a job's command that shows its daemon's mirrors. pullsBusybox needs the Docker
// Hub or a mirror.
const (
	seesMirror   = `docker info -f 'mirrors {{.RegistryConfig.Mirrors}}'`
	pullsBusybox = `docker pull -q busybox && docker run --rm busybox echo "there it is"`
)

// A mirror fails while a job uses it. The daemon goes on to the next registry, here the
// stand-in for the Docker Hub.
func TestAMirrorThatFailsInTheMiddleOfAJob(t *testing.T) {
	h := startHub(t, "")
	h.set(t, "[sidecar]\n", "registry_mirrors = [\"https://"+h.Host+"\"]\n")
	for _, c := range []struct {
		name  string
		harm  func(context.Context, string) error
		build bool
	}{
		{"killed", signalled("KILL"), true},
		// dockerd waits for 15 s, buildkit for 40 s.
		{"hung", signalled("STOP"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := world.Job(seesMirror, `until [ -e /builds/go ]; do sleep 0.1; done`, pullsBusybox)
			if c.build {
				p.Steps[0].Script = append(p.Steps[0].Script,
					`docker rmi -f busybox; printf 'FROM busybox\nRUN true\n' | docker build --no-cache -`)
			}
			removedBehind(t)
			h.command(t, "mirror", "remove") // the mirror harmed before
			h.start(t)
			var log *buffer
			ctx, cancel := context.WithTimeout(t.Context(), jobTimeout)
			defer cancel()
			job, finish := startJob(ctx, t, p, under(h.settings), func(r *local.Runner) { log = r.Log.(*buffer) })
			log.waitFor(t, job, "mirrors [http://")
			if err := c.harm(t.Context(), h.mirror(t).ID); err != nil {
				t.Fatal(err)
			}
			touchInHelper(t, "/builds/go")
			finish(job.Wait()).succeeded().quietCleanup().says("\nthere it is\n")
		})
	}
}

// signalled sends a container's process a signal.
func signalled(signal string) func(context.Context, string) error {
	return func(ctx context.Context, id string) error { return world.Engine.ContainerKill(ctx, id, signal) }
}

// touchInHelper makes a file in the builds volume of the only job.
func touchInHelper(t *testing.T, path string) {
	t.Helper()
	for name, l := range ours(t) {
		if l["gitlab-dind-executor.role"] != "helper" {
			continue
		}
		if out, err := exec.CommandContext(t.Context(), "docker", "exec", name, "touch", path).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
}

// A mirror has failed before a job. The job says why it does without the mirror. It has a
// mirror again where a start mends the mirror. The unit tests bound the delay to a second.
func TestAMirrorThatFailedBeforeAJob(t *testing.T) {
	h := startHub(t, "")
	h.set(t, "[sidecar]\n", "registry_mirrors = [\"https://"+h.Host+"\"]\n")
	h.start(t)
	runJobUnchecked(t, world.Job(seesMirror, pullsBusybox), under(h.settings)).succeeded().saysNot("warning").says("mirrors [http://")
	for _, c := range []struct {
		name string
		harm func(context.Context, string) error
		says []string
	}{
		{"killed", signalled("KILL"), []string{"mirrors [http://"}},
		{"paused", world.Engine.ContainerPause, []string{"warning: this job does without the registry mirror: ", " is paused (docker unpause ", "mirrors [https://"}},
		{"hung", func(ctx context.Context, id string) error {
			if err := world.Engine.ContainerUnpause(ctx, id); err != nil {
				return err
			}
			return world.Engine.ContainerKill(ctx, id, "STOP")
		}, []string{"warning: this job does without the registry mirror: it does not answer", "gitlab-dind-executor mirror remove", "mirrors [https://"}},
	} {
		if err := c.harm(t.Context(), h.mirror(t).ID); err != nil {
			t.Fatal(err)
		}
		run := func() ran {
			return runJobUnchecked(t, world.Job(seesMirror, pullsBusybox), under(h.settings)).succeeded().quietCleanup().says("\nthere it is\n")
		}
		r := run()
		if c.name == "killed" && strings.Contains(r.log, "does without the registry mirror") {
			h.start(t) // the engine took more than the second that a job waits
			r = run()
		}
		r.says(c.says...)
	}
}

func TestJobsAtOnceMakeOneMirror(t *testing.T) {
	h := startHub(t, "")
	var all []func()
	for range 3 {
		job, finish := startJob(t.Context(), t, world.Job(seesMirror), under(h.settings))
		all = append(all, func() { finish(job.Wait()).succeeded().quietCleanup().says("mirrors [") })
	}
	for _, wait := range all {
		wait()
	}
	h.mirror(t)
}

// A mirror that stores too much goes with the last job that uses it. So does a mirror that no
// settings name any more.
func TestAMirrorIsReplaced(t *testing.T) {
	h := startHub(t, "")
	h.start(t)
	p := world.Job(seesMirror, pullsBusybox, `echo holds it`, `until [ -e /builds/go ]; do sleep 0.1; done`)
	var log *buffer
	job, finish := startJob(t.Context(), t, p, under(h.settings), func(r *local.Runner) { log = r.Log.(*buffer) })
	log.waitFor(t, job, "\nholds it\n")
	first := h.mirror(t)
	b, err := os.ReadFile(h.settings)
	if err != nil {
		t.Fatal(err)
	}
	small := hub{settings: filepath.Join(t.TempDir(), "dind.toml")}
	if err := os.WriteFile(small.settings, b, 0o600); err != nil {
		t.Fatal(err)
	}
	small.set(t, "[mirror]\n", "max_size = \"1k\"\n")
	if said := small.command(t, "gc", "--dry-run"); !strings.HasPrefix(said, "would remove mirror "+first.Names[0][1:]+": it stores ") {
		t.Errorf("gc --dry-run: %s", said)
	}
	if said := small.command(t, "gc"); !strings.HasPrefix(said, "no new job gets mirror "+first.Names[0][1:]+": it stores ") {
		t.Errorf("gc: %s", said)
	}
	small.command(t, "mirror", "start")
	if said := small.command(t, "mirror", "status"); strings.Count(said, "\n") != 2 || !strings.Contains(said, "1 jobs, to be removed") || !strings.Contains(said, "0 jobs, the settings'") {
		t.Errorf("mirror status: %s", said)
	}
	touchInHelper(t, "/builds/go")
	finish(job.Wait()).succeeded().quietCleanup()
	h.command(t, "gc")
	if second := h.mirror(t); second.ID == first.ID {
		t.Error("the old mirror is left")
	}
	gc(t) // of settings without a mirror
	if left := mirrors(t); len(left) != 0 {
		t.Errorf("%d mirrors are left", len(left))
	}
}

// A firewall between jobs and their host lets the mirror's port through, or does not.
func TestAMirrorBehindAFirewall(t *testing.T) {
	h := startHub(t, "")
	h.set(t, "[sidecar]\n", "registry_mirrors = [\"https://"+h.Host+"\"]\n")
	h.set(t, "[network]\n", "pool = \""+firewalledPool+"\"\n")
	h.command(t, "mirror", "start")
	at := func(host string) string {
		return net.JoinHostPort(h.Addr.String(), host[strings.LastIndex(host, ":")+1:])
	}
	mirror := net.JoinHostPort(h.Addr.String(), fmt.Sprint(h.mirror(t).Ports[0].PublicPort))
	usual := []string{at(world.Registry.Host), at(h.Host), at(world.Git.Base)}
	for _, c := range []struct {
		allow []string
		says  string
	}{{usual, "mirrors [https://"}, {append(usual, mirror), "mirrors [http://" + mirror}} {
		if _, err := asRoot(t.Context(), recipe(t, 0, c.allow...)); err != nil {
			t.Fatal(err)
		}
		runJobUnchecked(t, world.Job(seesMirror, pullsBusybox), under(h.settings)).succeeded().says(c.says, "there it is")
		if _, err := asRoot(t.Context(), recipe(t, 1)); err != nil {
			t.Fatal(err)
		}
	}
}

// From elsewhere nobody but the sidecar can ask the mirror.
func TestAMirrorOnAnEngineElsewhere(t *testing.T) {
	h := startHub(t, "\n[engine]\nhost = \"tcp://"+forwarded(t, strings.TrimPrefix(world.Engine.DaemonHost(), "unix://"))+"\"\n")
	h.set(t, "[sidecar]\n", "registry_mirrors = [\"https://"+h.Host+"\"]\n")
	h.start(t)
	runJobUnchecked(t, world.Job(seesMirror, pullsBusybox), under(h.settings)).succeeded().saysNot("warning").says("mirrors [http://", "there it is")
	if err := signalled("STOP")(t.Context(), h.mirror(t).ID); err != nil {
		t.Fatal(err)
	}
	runJobUnchecked(t, world.Job(seesMirror, pullsBusybox), under(h.settings)).succeeded().says("mirrors [https://", "there it is")
}

func TestASandboxMadeAheadHasTheMirror(t *testing.T) {
	h := startHub(t, "\n[pool]\nsize = 1\n")
	waiting := &pool{t, h.settings}
	t.Cleanup(func() {
		waiting.rest()
		waiting.command("drain")
	})
	waiting.command("fill")
	if said := h.command(t, "mirror", "status"); !strings.Contains(said, "1 jobs, the settings'") {
		t.Errorf("mirror status: %s", said)
	}
	runJobUnchecked(t, world.Job(seesMirror, pullsBusybox), under(h.settings)).succeeded().says("(from the pool)", "mirrors [http://", "there it is")
}
