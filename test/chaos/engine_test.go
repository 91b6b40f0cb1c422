package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gitlab-dind-executor/test/rig"
)

// hungRegistry listens, accepts and stays silent until the test's end.
func (c *chaos) hungRegistry() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.t.Cleanup(func() { _ = conn.Close() })
		}
	}()
	c.hung = l.Addr().String()
}

// smallDisk makes a block device of 96 MB and a dind image with its data root there. It needs
// root. Without root no disk gets full.
func (c *chaos) smallDisk() {
	c.t.Helper()
	if os.Geteuid() != 0 {
		c.t.Log("without root there is no full disk")
		return
	}
	file := filepath.Join(c.t.TempDir(), "disk")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Truncate(file, 96<<20); err != nil {
		c.t.Fatal(err)
	}
	out, err := exec.Command("losetup", "--find", "--show", file).CombinedOutput()
	if err != nil {
		c.t.Fatalf("losetup: %v: %s", err, out)
	}
	c.device = strings.TrimSpace(string(out))
	c.t.Cleanup(func() {
		if out, err := exec.Command("losetup", "--detach", c.device).CombinedOutput(); err != nil {
			c.t.Errorf("losetup: %v: %s", err, out)
		}
	})
	entry := "#!/bin/sh\nset -e\nmount " + c.device + " /var/lib/docker\nexec dockerd-entrypoint.sh \"$@\"\n"
	derived := rig.DeriveWith(c.t, world.Engine, rig.ImageDind,
		[]rig.File{{Path: "/usr/local/bin/small", Mode: 0o755, Content: entry}}, `ENTRYPOINT ["small"]`)
	c.small = "gitlab-dind-executor.test/docker:small-disk"
	if err := world.Engine.ImageTag(c.t.Context(), derived, c.small); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { rig.Untag(c.t, world.Engine, c.small) })
}

// format empties the small disk.
func (c *chaos) format() {
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", c.device).CombinedOutput(); err != nil {
		c.t.Fatalf("mkfs.ext4: %v: %s", err, out)
	}
}

// engine calls scripts/engine, which starts and stops engines.
func engine(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, filepath.Join("..", "..", "scripts", "engine"), args...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// errAway says that the engine did not come back. It ends the whole run.
var errAway = errors.New("the engine did not start again")

// restartIt restarts the engine of scripts/engine, and no other.
func restartIt(ctx context.Context) error {
	out, err := engine(ctx, "stop")
	if err != nil || !strings.Contains(out, "stopped") {
		return fmt.Errorf("%w: %s", errors.Join(errors.New("not restarted"), err), out)
	}
	if out, err = engine(ctx); err != nil {
		return fmt.Errorf("%w: %w: %s", errAway, err, out)
	}
	return world.Registry.Resume(ctx)
}

// stall stops the engine of scripts/engine for a while. Meanwhile the engine takes connections
// and stays silent.
func stall(ctx context.Context, d time.Duration) error {
	out, err := engine(ctx, "pid")
	if err != nil {
		return fmt.Errorf("not stalled: %w: %s", err, out)
	}
	pid, err := strconv.Atoi(out)
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	time.Sleep(d) // the fault's duration
	return syscall.Kill(pid, syscall.SIGCONT)
}
