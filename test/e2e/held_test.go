package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// admin calls a command of the executor, and returns its exit code and output.
func admin(t *testing.T, stdin string, args ...string) (code int, said string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, world.Binary, append([]string{"--settings", world.Settings}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// terminal is a pseudo terminal. Text written to ours is typed at its.
func terminal(t *testing.T, height, width uint16) (ours, its *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	n, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(ours.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: height, Col: width})
	}
	if err == nil {
		its, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { its.Close() })
	return ours, its
}

// nothingRuns asserts that all processes of a held sandbox's containers stand still.
func nothingRuns(t *testing.T, job string) {
	t.Helper()
	seen := 0
	for name, l := range ours(t) {
		c, err := world.Engine.ContainerInspect(t.Context(), name)
		if err != nil {
			continue // not a container
		}
		if seen++; c.State.Running && !c.State.Paused {
			t.Errorf("job %s: the %s of what is held runs on", job, l["gitlab-dind-executor.role"])
		}
	}
	if seen < 3 {
		t.Errorf("job %s: only %d containers are held", job, seen)
	}
}

func TestAFailedJobIsHeldForALookInside(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	with := cachingLayers(t, "[cleanup]\nhold_failed = \"10m\"")
	t.Cleanup(func() { gcWith(t, "--held") })
	p := world.Job(login, `docker pull -q $CI_REGISTRY/base/busybox`,
		`docker run -d --restart=always --name left $CI_REGISTRY/base/busybox sleep 1000`, `echo still here >note`, `exit 3`)
	p.Services = append(p.Services, local.Image{Name: rig.ImageRedis})
	id := fmt.Sprint(p.ID)
	runJobUnchecked(t, p, with).failedWith(3).quietCleanup().
		says("held for 10m, for the runner's admin to look inside: gitlab-dind-executor shell " + id + "\n")

	nothingRuns(t, id)
	gcWith(t) // the sandbox's time is not over
	if _, said := admin(t, "", "status"); !regexp.MustCompile(`  held +`+id).MatchString(said) || !strings.Contains(said, "gc --held ends that") {
		t.Errorf("status says\n%s", said)
	}
	t.Run("with a shell that reads commands", func(t *testing.T) {
		code, said := admin(t, "cat note; docker ps -aq | wc -l; docker ps -q | wc -l; exit 7\n", "shell", id)
		if code != 7 || said != "still here\n1\n0\n" {
			t.Errorf("exit code %d, said %q", code, said)
		}
	})
	t.Run("with a shell on a terminal", func(t *testing.T) {
		ours, its := terminal(t, 33, 99)
		cmd := exec.CommandContext(t.Context(), world.Binary, "--settings", world.Settings, "shell", id)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = its, its, its
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		its.Close()
		if _, err := ours.WriteString("until [ \"$(stty size)\" = '33 99' ]; do :; done; tty; cat note; exit 5\n"); err != nil {
			t.Fatal(err)
		}
		var said bytes.Buffer
		_, _ = io.Copy(&said, ours) // the copy ends with an error when the last process closes the terminal
		err := cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 5 || !strings.Contains(said.String(), "/dev/pts/") || !strings.Contains(said.String(), "still here") {
			t.Errorf("exit code %d (%v), said %q", code, err, said.String())
		}
	})
	nothingRuns(t, id)
	t.Run("with its logs", func(t *testing.T) {
		for _, c := range []struct {
			args []string
			want string
		}{
			{[]string{"logs", id}, "API listen on"},
			{[]string{"logs", id, "--role", "job"}, "Login Succeeded"},
		} {
			if code, said := admin(t, "", c.args...); code != 0 || !strings.Contains(said, c.want) {
				t.Errorf("%q: exit code %d, said %q", c.args, code, said)
			}
		}
	})
	// The held sandbox still has its layers, so the next job gets others.
	runJobUnchecked(t, world.Job(`docker version >/dev/null`), with).succeeded().quietCleanup().
		says("no layers free (other jobs use them; these are cached as well)")

	if _, said := admin(t, "", "gc", "--held"); !strings.Contains(said, "it was held for a look inside") {
		t.Errorf("gc says %q", said)
	}
	if code, said := admin(t, "", "shell", id); code == 0 || !strings.Contains(said, `error: no sandbox has the id "`+id+`", nor has its job`) || !strings.Contains(said, "hint: ") {
		t.Errorf("exit code %d, said %q", code, said)
	}
}
