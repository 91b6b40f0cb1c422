package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// hub is a stand-in for the Docker Hub, over TLS, by a CA of [registry].
type hub struct {
	*rig.Registry
	settings string
}

// startHub starts one that has busybox, and settings whose mirror has it behind.
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
	t.Cleanup(func() { h.command(t, "mirror", "remove") })
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

// One mirror for all jobs: what one has pulled, the next has although the
// registry behind is gone.
func TestABaseImageCrossesTheNetworkOnce(t *testing.T) {
	h := startHub(t, "")
	pull := []string{
		`docker info -f 'mirrors {{.RegistryConfig.Mirrors}}'`,
		`docker pull busybox && docker run --rm busybox echo "from the mirror"`,
		`docker rmi -f busybox >/dev/null; printf 'FROM busybox\nRUN echo built on "$(hostname)"\n' | docker build --progress=plain --no-cache - 2>&1`,
	}
	runJobUnchecked(t, world.Job(pull...), under(h.settings)).succeeded().quietCleanup().saysNot("warning").
		says("mirrors [http://", "from the mirror", "built on")
	if n := len(mirrors(t)); n != 1 {
		t.Fatalf("there are %d mirrors", n)
	}
	if err := h.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	runJobUnchecked(t, world.Job(pull...), under(h.settings)).succeeded().quietCleanup().says("from the mirror", "built on")
	if said := h.command(t, "mirror", "status"); !strings.Contains(said, "running at ") || !strings.Contains(said, "MiB, 0 jobs, the settings'") {
		t.Errorf("mirror status: %s", said)
	}
	if said := h.command(t, "gc"); said != "nothing to remove\n" {
		t.Errorf("gc: %s", said)
	}
}

// A mirror that fails while a job has it: the daemon goes on to the next
// registry, here one that stands for the Docker Hub.
func TestAMirrorThatFailsInTheMiddleOfAJob(t *testing.T) {
	for name, harm := range map[string]func(context.Context, string) error{
		"killed": func(ctx context.Context, id string) error { return world.Engine.ContainerKill(ctx, id, "KILL") },
		"hung":   world.Engine.ContainerPause,
	} {
		t.Run(name, func(t *testing.T) {
			h := startHub(t, "")
			h.set(t, "[sidecar]\n", "registry_mirrors = [\"https://"+h.Host+"\"]\n")
			p := world.Job(
				`docker info -f 'mirrors {{.RegistryConfig.Mirrors}}'`,
				`until [ -e /builds/go ]; do sleep 0.1; done`,
				`time docker pull busybox && docker run --rm busybox echo "by another way"`,
				`docker rmi -f busybox >/dev/null; printf 'FROM busybox\nRUN echo built on "$(hostname)"\n' | (time docker build --progress=plain --no-cache -) 2>&1`,
			)
			var log *buffer
			job, finish := startJob(t.Context(), t, p, under(h.settings), func(r *local.Runner) { log = r.Log.(*buffer) })
			log.waitFor(t, job, "mirrors [http://")
			m := mirrors(t)
			if len(m) != 1 {
				t.Fatalf("there are %d mirrors", len(m))
			}
			if err := harm(t.Context(), m[0].ID); err != nil {
				t.Fatal(err)
			}
			touch(t, job, "/builds/go")
			r := finish(job.Wait()).succeeded().quietCleanup().says("by another way", "built on")
			t.Log(r.log)
		})
	}
}

// touch makes a file in the helper of the only job there is.
func touch(t *testing.T, job *local.Job, path string) {
	t.Helper()
	var id string
	for name, l := range ours(t) {
		if l["gitlab-dind-executor.role"] == "helper" {
			id = strings.TrimPrefix(name, "container ")
		}
	}
	if out, err := exec.CommandContext(t.Context(), "docker", "exec", id, "touch", path).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
