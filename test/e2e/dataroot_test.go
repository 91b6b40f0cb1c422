package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/test/rig"
)

// cli runs docker with an input, and returns its output.
func cli(t *testing.T, stdin []byte, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), jobTimeout) // at the end of a test, too
	defer cancel()
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Stdin = bytes.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func mustCLI(t *testing.T, stdin []byte, args ...string) string {
	t.Helper()
	out, err := cli(t, stdin, args...)
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// labelFlags are the rig's labels as flags.
func labelFlags(t *testing.T, what string) []string {
	t.Helper()
	labels, err := rig.Labels(what)
	if err != nil {
		t.Fatal(err)
	}
	var flags []string
	for k, v := range labels {
		flags = append(flags, "--label", k+"="+v)
	}
	return flags
}

// staticProgram builds a program of this module for containers.
func staticProgram(t *testing.T, path string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "program")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", to, path)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", path, err, out)
	}
	return to
}

// bareDaemon is a daemon without any hook, on a volume of the test.
type bareDaemon struct {
	t             *testing.T
	image, volume string
	id            string
}

// start waits until the daemon answers.
func (d *bareDaemon) start() {
	d.t.Helper()
	args := append([]string{"run", "-d", "--privileged", "-e", "DOCKER_TLS_CERTDIR=", "-v", d.volume + ":/var/lib/docker"}, labelFlags(d.t, "daemon")...)
	d.id = strings.TrimSpace(mustCLI(d.t, nil, append(args, d.image, "--tls=false")...))
	for deadline := time.Now().Add(time.Minute); ; {
		out, err := cli(d.t, nil, "exec", d.id, "docker", "version")
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			logs, _ := cli(d.t, nil, "logs", d.id)
			d.t.Fatalf("the daemon does not answer: %s\n%s", out, logs)
		}
	}
}

// run runs a script beside the daemon.
func (d *bareDaemon) run(script string, stdin []byte) string {
	d.t.Helper()
	return mustCLI(d.t, stdin, "exec", "-i", d.id, "sh", "-ec", script)
}

// kill ends the daemon at once, as the end of a job does.
func (d *bareDaemon) kill() {
	if d.id != "" {
		_, _ = cli(d.t, nil, "rm", "-f", "-v", d.id)
		d.id = ""
	}
}

// onVolume runs a program on a volume as hooks run their programs: without network and with few
// rights.
func onVolume(t *testing.T, program, volume string, args ...string) (code int, said string) {
	t.Helper()
	run := append([]string{"run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "-m", "512m"}, labelFlags(t, "program")...)
	for _, c := range []string{"DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "CHOWN", "LINUX_IMMUTABLE"} {
		run = append(run, "--cap-add", c)
	}
	run = append(run, "-v", program+":/program:ro", "--mount", "type=volume,source="+volume+",target=/volume,volume-nocopy", "--entrypoint", "/program", rig.ImageBusybox)
	out, err := cli(t, nil, append(run, args...)...)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit != nil {
		code = exit.ExitCode()
	}
	return code, out
}

// fillDaemon is the script of a job that leaves everything behind.
const fillDaemon = `mkdir -p /c && cd /c && echo text >f
docker load -q
printf 'FROM ` + rig.ImageBusybox + `\nRUN echo hello >/x\nRUN --mount=type=cache,target=/cc echo more >/cc/y\nCOPY f /f\n' >Dockerfile
docker build --progress=plain -t mine . 2>&1
printf 'FROM ` + rig.ImageBusybox + `\nRUN echo classic >/x\n' >Dockerfile.old
DOCKER_BUILDKIT=0 docker build -f Dockerfile.old -t old . 2>&1
`

// The cleared data root of a real daemon serves the next daemon. Builds find all their steps
// there, and nothing else is left. A data root with hostile trees of a job serves, too, or is
// recognised and thrown away.
func TestAClearedDataRootServesTheNextDaemon(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	program, planter := staticProgram(t, "gitlab-dind-executor"), staticProgram(t, "gitlab-dind-executor/test/hostiletree/plant")
	busybox, err := exec.CommandContext(t.Context(), "docker", "save", rig.ImageBusybox).Output()
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]struct{ image, steps string }{
		"dockerd's store":    {rig.ImageDind, "Using cache"},
		"containerd's store": {rig.DeriveWith(t, world.Engine, rig.ImageDind, []rig.File{containerdStore}), "CACHED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			volume := strings.TrimSpace(mustCLI(t, nil, append([]string{"volume", "create"}, labelFlags(t, "data")...)...))
			d := &bareDaemon{t: t, image: k.image, volume: volume}
			t.Cleanup(func() {
				d.kill()
				if code, said := onVolume(t, program, volume, plan.EmptyCommand, "/volume", "60"); code != plan.CommandDone {
					t.Errorf("emptying it ended with code %d: %s", code, said)
				}
				mustCLI(t, nil, "volume", "rm", volume)
			})
			d.start()
			d.run(fillDaemon+`docker run -d --restart=always -v v:/v mine sh -c 'echo secret >/v/x; sleep 1000'; docker network create net`, busybox)
			d.kill()
			code, said := onVolume(t, program, volume, plan.ClearCommand, "/volume", "60")
			if code != plan.CommandDone || strings.Count(said, "\n") != 1 {
				t.Fatalf("clearing it ended with code %d: %s", code, said)
			}
			t.Log(strings.TrimSpace(said))
			for seed := range 2 {
				d.start()
				left := d.run(`echo "$(docker ps -aq | wc -l) containers, $(docker volume ls -q | wc -l) volumes, $(docker network ls -q | wc -l) networks"`, nil)
				if left != "0 containers, 0 volumes, 3 networks\n" {
					t.Errorf("there are %s", left)
				}
				if out := d.run(fillDaemon, busybox); strings.Count(out, "CACHED") < 3 || !strings.Contains(out, k.steps) {
					t.Errorf("steps are not found:\n%s", out)
				}
				if out := d.run(`docker run --rm mine cat /x /f`, nil); out != "hello\ntext\n" {
					t.Errorf("it says %q", out)
				}
				// A job with root in its daemon can do so.
				mustCLI(t, nil, "cp", planter, d.id+":/plant")
				planted := d.run(fmt.Sprintf(`/plant -honest -seed %d -entries 400 /var/lib/docker`, seed), nil)
				d.kill()
				code, said := onVolume(t, program, volume, plan.ClearCommand, "/volume", "60")
				t.Logf("seed %d: %s", seed, strings.TrimSpace(said))
				if code != plan.CommandDone {
					t.Fatalf("clearing it ended with code %d: %s\n%s", code, said, planted)
				}
			}
			// The last tree spares nothing of the data root.
			d.start()
			mustCLI(t, nil, "cp", planter, d.id+":/plant")
			d.run(`/plant -seed 9 -entries 400 /var/lib/docker`, nil)
			d.kill()
			if code, said := onVolume(t, program, volume, plan.ClearCommand, "/volume", "60"); code != plan.CommandThrowAway {
				t.Errorf("clearing it ended with code %d: %s", code, said)
			}
		})
	}
}
