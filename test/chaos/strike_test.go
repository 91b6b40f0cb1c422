package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// strike carries a fault out and returns its kind if the fault found a target.
func (s *storm) strike(ctx context.Context, h local.Hook, f fault) string {
	var err error
	switch f.kind {
	case killHook:
		err = kill(h.PID, h.PID)
	case killGroup:
		err = kill(h.PID, -h.PID)
	case killRunner:
		err = s.m.Kill()
	case killAll:
		err = errors.Join(s.m.Kill(), kill(h.PID, -h.PID))
	case killSidecar, killHelper, killJob:
		err = s.onContainer(ctx, h, strings.TrimPrefix(f.kind, "docker kill "), func(name, _ string) error {
			return world.Engine.ContainerKill(ctx, name, "KILL")
		})
	case cutNetwork:
		err = s.onContainer(ctx, h, "sidecar", func(name, network string) error {
			return world.Engine.NetworkDisconnect(ctx, network, name, true)
		})
	case holdVolume:
		err = s.hold(ctx)
	case killMirror:
		err = onMirror(ctx)
	case killFill:
		err = onBehind(ctx, f.lasts, "pool", "fill")
	case stallEngine:
		err = stall(ctx, f.lasts)
	case restartEngine:
		err = restartIt(ctx)
	}
	if errors.Is(err, errAway) {
		s.c.t.Error(err)
	}
	if err != nil {
		return ""
	}
	return f.kind
}

// kill signals pid's process, or for -pid its group, if the process still runs. A signal to a
// zombie, for which nobody has waited yet, succeeds in vain.
func kill(pid, target int) error {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return err
	}
	if _, state, _ := bytes.Cut(stat, []byte(") ")); len(state) == 0 || strings.ContainsRune("ZXx", rune(state[0])) {
		return errors.New("it has ended")
	}
	return syscall.Kill(target, syscall.SIGKILL)
}

// keyOf is a job's key in labels.
func keyOf(p local.Payload) string {
	_, instance, _ := strings.Cut(world.Git.Base, "://")
	return fmt.Sprintf("%s/%d", instance, p.ID)
}

// sandboxes lists the sandboxes of this round's job, because a host may have other jobs, which
// are left alone. A sandbox from the pool is known by its job container.
func (s *storm) sandboxes(ctx context.Context) ([]string, error) {
	of := filters.NewArgs(filters.Arg("label", "gitlab-dind-executor.job="+s.job))
	networks, err := world.Engine.NetworkList(ctx, network.ListOptions{Filters: of})
	if err != nil {
		return nil, err
	}
	containers, err := world.Engine.ContainerList(ctx, container.ListOptions{All: true, Filters: of})
	if err != nil {
		return nil, err
	}
	var found []string
	for _, n := range networks {
		found = append(found, n.Labels["gitlab-dind-executor.sandbox"])
	}
	for _, c := range containers {
		found = append(found, c.Labels["gitlab-dind-executor.sandbox"])
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// onContainer calls do with a running container of a role. The container may still come as long
// as the hook runs.
func (s *storm) onContainer(ctx context.Context, h local.Hook, role string, do func(id, network string) error) error {
	for {
		found, err := s.sandboxes(ctx)
		if err != nil {
			return err
		}
		for _, sandbox := range found {
			list, err := world.Engine.ContainerList(ctx, container.ListOptions{Filters: filters.NewArgs(
				filters.Arg("label", "gitlab-dind-executor.sandbox="+sandbox), filters.Arg("label", "gitlab-dind-executor.role="+role))})
			if err == nil && len(list) > 0 && do(list[0].ID, "dind-"+sandbox) == nil {
				return nil
			}
		}
		if syscall.Kill(h.PID, 0) != nil || ctx.Err() != nil {
			return errors.New("there is none")
		}
		time.Sleep(20 * time.Millisecond) // no event tells of all these conditions
	}
}

// onMirror kills the mirror.
func onMirror(ctx context.Context) error {
	list, err := world.Engine.ContainerList(ctx, container.ListOptions{Filters: filters.NewArgs(
		filters.Arg("label", "gitlab-dind-executor.role=mirror"), filters.Arg("label", lab.InstallationLabel+"="+lab.Installation))})
	if err != nil || len(list) == 0 {
		return errors.Join(errors.New("there is none"), err)
	}
	return world.Engine.ContainerKill(ctx, list[0].ID, "KILL")
}

// onBehind kills a process of the executor that outlives hooks, some time after the process has
// appeared.
func onBehind(ctx context.Context, after time.Duration, args ...string) error {
	for end := time.Now().Add(4 * time.Second); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		if pid := behind(args...); pid != 0 {
			time.Sleep(after) // the fault's random moment: the process waits for two seconds, and then works for as long
			return kill(pid, pid)
		}
	}
	return errors.New("there is none")
}

// hold keeps the builds volume of the job's sandbox in use. The holder is a container of the
// rig that never runs.
func (s *storm) hold(ctx context.Context) error {
	list, err := s.sandboxes(ctx)
	if err != nil || len(list) != 1 {
		return errors.Join(errors.New("there is no one sandbox"), err)
	}
	release, err := rig.HoldVolume(ctx, world.Engine, "dind-"+list[0]+"-builds")
	if err != nil {
		return err
	}
	s.c.t.Cleanup(func() { _ = release() }) // should the round end early
	s.release = release
	return nil
}

// afterwards kills the removal behind a cleanup, and releases the volume that delays the
// removal.
func (s *storm) afterwards(ctx context.Context) {
	if s.release != nil || s.chance(50) {
		if pid := removalBehind(ctx); pid != 0 && s.chance(70) {
			time.Sleep(time.Duration(s.rnd.IntN(500)) * time.Millisecond) // the fault's random moment
			if kill(pid, pid) == nil {
				s.hit[killBehind]++
			}
		}
	}
	if s.release == nil {
		return
	}
	if err := s.release(); err != nil {
		s.c.t.Error(err)
	}
}

// removalBehind finds the process that removes a job behind its cleanup, or the sweep after
// this removal. It waits up to 1 s for such a process. pid is 0 if there is none.
func removalBehind(ctx context.Context) (pid int) {
	for end := time.Now().Add(time.Second); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		for _, command := range []string{"finish", "gc"} {
			if pid := behind(command); pid != 0 {
				return pid
			}
		}
	}
	return 0
}

// behind finds a process of the executor with these arguments. pid is 0 if there is none.
func behind(args ...string) (pid int) {
	programs, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, exe := range programs {
		if program, err := os.Readlink(exe); err != nil || program != world.Binary {
			continue
		}
		dir := filepath.Dir(exe)
		line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err == nil && bytes.Contains(line, []byte("\x00"+strings.Join(args, "\x00")+"\x00")) {
			pid, _ = strconv.Atoi(filepath.Base(dir))
			return pid
		}
	}
	return 0
}
