//go:build chaos

package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// fault is something that goes wrong some time after a hook has started.
type fault struct {
	kind string
	// hook counts the job's hooks from 0.
	hook  int
	after time.Duration
}

func (f fault) String() string { return fmt.Sprintf("%s %s after hook %d", f.kind, f.after, f.hook) }

const (
	killHook     = "SIGKILL to a hook"
	killGroup    = "SIGKILL to a hook's process group"
	killRunner   = "SIGKILL to the Runner"
	killAll      = "SIGKILL to the Runner and the hook"
	killSidecar  = "docker kill sidecar"
	killHelper   = "docker kill helper"
	killJob      = "docker kill job"
	cutNetwork   = "cut network"
	restartation = "engine restart"
)

var kinds = []string{killHook, killGroup, killHook, killGroup, killRunner, killAll, killSidecar, killHelper, killJob, cutNetwork}

// draw makes a fault. One in three hits prepare, which is the second hook of an
// attempt and has the most to lose.
func (c *chaos) draw(round int) fault {
	f := fault{kind: kinds[c.rnd.IntN(len(kinds))], hook: c.rnd.IntN(12), after: time.Duration(c.rnd.IntN(250)) * time.Millisecond}
	if c.rnd.IntN(3) == 0 {
		f.hook, f.after = 1, time.Duration(c.rnd.IntN(1500))*time.Millisecond
	}
	if *restart && round%20 == 10 {
		f.kind = restartation
	}
	return f
}

// inject carries faults out as the job's hooks come by, and returns the hooks'
// processes when the job has ended.
func (c *chaos) inject(ctx context.Context, m *lab.Mortal, plan []fault) (pids []int) {
	results := make(chan string, len(plan))
	pending, restarted := 0, false
	n := 0
	for {
		select {
		case h, more := <-m.Hooks:
			if !more {
				for ; pending > 0; pending-- {
					c.note(<-results)
				}
				return pids
			}
			pids = append(pids, h.PID)
			for _, f := range plan {
				if f.hook != n || f.kind == restartation && restarted {
					continue
				}
				restarted = restarted || f.kind == restartation
				pending++
				go func() {
					time.Sleep(f.after) // the fault's random moment
					results <- c.strike(ctx, m, h, f.kind)
				}()
			}
			n++
		case done := <-results:
			pending--
			c.note(done)
		}
	}
}

func (c *chaos) note(kind string) {
	if kind != "" {
		c.done[kind]++
	}
}

// strike returns the fault's kind if there was anything to hit.
func (c *chaos) strike(ctx context.Context, m *lab.Mortal, h local.Hook, kind string) string {
	var err error
	switch kind {
	case killHook:
		err = syscall.Kill(h.PID, syscall.SIGKILL)
	case killGroup:
		err = syscall.Kill(-h.PID, syscall.SIGKILL)
	case killRunner:
		err = m.Kill()
	case killAll:
		err = errors.Join(m.Kill(), syscall.Kill(-h.PID, syscall.SIGKILL))
	case killSidecar, killHelper, killJob:
		err = c.onContainer(ctx, strings.TrimPrefix(kind, "docker kill "), func(ctr container.Summary) error {
			return world.Engine.ContainerKill(ctx, ctr.ID, "KILL")
		})
	case cutNetwork:
		err = c.onContainer(ctx, "sidecar", func(ctr container.Summary) error {
			for name := range ctr.NetworkSettings.Networks {
				return world.Engine.NetworkDisconnect(ctx, name, ctr.ID, true)
			}
			return errors.New("it has no network")
		})
	case restartation:
		err = restartEngine(ctx)
	}
	if err != nil {
		return ""
	}
	return kind
}

// onContainer does something to the container of a role.
func (c *chaos) onContainer(ctx context.Context, role string, do func(container.Summary) error) error {
	list, err := world.Engine.ContainerList(ctx, container.ListOptions{
		Filters: filters.NewArgs(filters.Arg("label", "gitlab-dind-executor.role="+role)),
	})
	if err != nil || len(list) == 0 {
		return errors.Join(errors.New("there is none"), err)
	}
	return do(list[0])
}

// await waits until hooks have ended that outlived their Runner, as those of a
// killed one do, and ends them when their time is over.
func await(ctx context.Context, pids []int) {
	for _, pid := range pids {
		bound := time.Now().Add(10 * time.Second)
		for syscall.Kill(-pid, 0) == nil {
			if time.Now().After(bound) || ctx.Err() != nil {
				_ = syscall.Kill(-pid, syscall.SIGKILL)
				bound = time.Now().Add(10 * time.Second)
			}
			time.Sleep(20 * time.Millisecond) // there is nothing to wait on: they are nobody's children
		}
	}
}

// hungRegistry listens, accepts and says nothing until the test's end.
func (c *chaos) hungRegistry() (addr string) {
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
	return l.Addr().String()
}

// smallDisk makes a block device of 96 MB and a dind image that has its data
// root there. It needs root, as the engine does.
func (c *chaos) smallDisk() {
	c.t.Helper()
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

// restartEngine restarts the engine that scripts/engine started, and no other.
func restartEngine(ctx context.Context) error {
	script := filepath.Join("..", "..", "scripts", "engine")
	out, err := exec.CommandContext(ctx, script, "stop").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "stopped") {
		return fmt.Errorf("%w: %s", errors.Join(errors.New("not restarted"), err), out)
	}
	return exec.CommandContext(ctx, script).Run()
}
