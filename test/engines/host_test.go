package engines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"gitlab-dind-executor/test/rig"
)

// The places in a host for everything from the test.
const (
	sources   = "/opt/dind-sources"          // this repository, not at its own path, which may be below /tmp
	programs  = "/opt/dind-engines"          // the programs of buildPrograms
	imageRoot = "gitlab-dind-executor.test/" // the images' registry
)

// Bounds, for an engine's start and for images to get there.
var (
	bootTime = rig.Slower(90 * time.Second)
	loadTime = rig.Slower(5 * time.Minute)
)

// withSystemd is the image of a host that boots systemd. The systemd of later releases needs
// control groups of version 2, which not every machine has. On hosts of later releases dockerd
// is the first process.
const withSystemd = imageRoot + "docker:bookworm-dind"

// host is a container that plays a host, with an engine of its own inside.
type host struct {
	t    testing.TB
	name string
	// version is the engine's.
	version string
}

// startHost makes a host of an image with dockerd, starts its engine and gives the engine
// images. The host goes at the test's end.
func startHost(t testing.TB, cli *client.Client, image string, images ...string) *host {
	t.Helper()
	ctx := t.Context()
	labels, err := rig.Labels("host")
	if err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, name: rig.UniqueName("host")}
	if _, err := cli.VolumeCreate(ctx, volume.CreateOptions{Name: h.name, Labels: labels}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.remove(cli) })
	config := &container.Config{
		Image: image, Hostname: h.name, Labels: labels,
		Env:        []string{"DOCKER_TLS_CERTDIR=", "container=docker"},
		Entrypoint: []string{"dind", "docker-init", "--"}, Cmd: []string{"dockerd"},
	}
	hostConfig := &container.HostConfig{
		Privileged: true, CgroupnsMode: container.CgroupnsModePrivate,
		Mounts: []mount.Mount{
			{Type: mount.TypeVolume, Source: h.name, Target: "/var/lib/docker", VolumeOptions: &mount.VolumeOptions{NoCopy: true}},
			{Type: mount.TypeBind, Source: repository(t), Target: sources, ReadOnly: true},
			{Type: mount.TypeBind, Source: buildPrograms(t), Target: programs, ReadOnly: true},
			{Type: mount.TypeBind, Source: buildPrograms(t) + "/daemon.json", Target: "/etc/docker/daemon.json", ReadOnly: true},
		},
	}
	if image == withSystemd {
		config.Entrypoint, config.Cmd = []string{"/lib/systemd/systemd"}, nil
		hostConfig.Tmpfs = map[string]string{"/run": "", "/tmp": ""}
	}
	if _, err := cli.ContainerCreate(ctx, config, hostConfig, nil, nil, h.name); err != nil {
		t.Fatalf("cannot make a host: %v", err)
	}
	if err := cli.ContainerStart(ctx, h.name, container.StartOptions{}); err != nil {
		t.Fatalf("cannot start a host: %v", err)
	}
	var said bytes.Buffer
	if err := h.run(ctx, bootTime, &said, nil, "sh", "-c", "until docker version >/dev/null 2>&1; do sleep 0.1; done"+
		"; [ -s /etc/machine-id ] || tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id"); err != nil {
		log, _ := exec.CommandContext(ctx, "docker", "logs", "--tail", "30", h.name).CombinedOutput()
		t.Fatalf("the engine of a host does not answer: %v\n%s%s", err, said.String(), log)
	}
	h.version = strings.TrimSpace(h.must(bootTime, "docker", "version", "--format", "{{.Server.Version}}"))
	if driver := strings.TrimSpace(h.must(bootTime, "docker", "info", "--format", "{{.Driver}}")); driver != "overlay2" {
		t.Fatalf("the engine keeps images with %s, want overlay2", driver)
	}
	h.load(images)
	return h
}

// load brings images of this machine's engine to the host's.
func (h *host) load(images []string) {
	h.t.Helper()
	if len(images) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(h.t.Context(), loadTime)
	defer cancel()
	save := exec.CommandContext(ctx, "docker", append([]string{"save"}, images...)...)
	load := exec.CommandContext(ctx, "docker", "exec", "-i", h.name, "docker", "load", "-q")
	var saved, loaded bytes.Buffer
	save.Stderr, load.Stdout, load.Stderr = &saved, &loaded, &loaded
	pipe, err := save.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	load.Stdin = pipe
	if err := errors.Join(save.Start(), load.Run(), save.Wait()); err != nil {
		h.t.Fatalf("cannot bring images to a host: %v\n%s%s", err, saved.String(), loaded.String())
	}
}

// tag gives images of the host other names. It maps old names to new names.
func (h *host) tag(names map[string]string) {
	h.t.Helper()
	for from, to := range names {
		h.must(bootTime, "docker", "tag", imageRoot+from, imageRoot+to)
	}
}

// must runs a program in the host and returns its output.
func (h *host) must(bound time.Duration, command ...string) string {
	h.t.Helper()
	var said bytes.Buffer
	if err := h.run(h.t.Context(), bound, &said, nil, command...); err != nil {
		h.t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, said.String())
	}
	return said.String()
}

// run runs a program from the folder of test/e2e in the host, or on this machine when the host
// has no name.
func (h *host) run(ctx context.Context, bound time.Duration, said io.Writer, env []string, command ...string) error {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	args := []string{"exec", "-w", sources + "/test/e2e"}
	for _, e := range env {
		args = append(args, "-e", e)
	}
	cmd := exec.CommandContext(ctx, "docker", append(append(args, h.name), command...)...)
	if h.name == "" {
		cmd = exec.CommandContext(ctx, command[0], command[1:]...)
		cmd.Dir, cmd.Env = repository(h.t)+"/test/e2e", append(os.Environ(), env...)
	}
	cmd.Stdout, cmd.Stderr = said, said
	err := cmd.Run()
	if ctx.Err() != nil {
		return fmt.Errorf("it did not end within %s: %w", bound, err)
	}
	return err
}

// write writes a file in the host.
func (h *host) write(path, content string) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), bootTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "docker", "exec", "-i", h.name, "sh", "-c", `mkdir -p "${0%/*}" && cat >"$0"`, path)
	cmd.Stdin = strings.NewReader(content)
	if out, err := cmd.CombinedOutput(); err != nil {
		h.t.Fatalf("cannot write %s in a host: %v\n%s", path, err, out)
	}
}

// remove removes the host with its contents.
func (h *host) remove(cli *client.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), bootTime)
	defer cancel()
	err := cli.ContainerRemove(ctx, h.name, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !errdefs.IsNotFound(err) {
		h.t.Errorf("cannot remove a host: %v", err)
	}
	if err := cli.VolumeRemove(ctx, h.name, false); err != nil {
		h.t.Errorf("cannot remove the data root of a host: %v", err)
	}
}
