package local

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// process is a hook's process to run.
type process struct {
	path           string
	args           []string
	dir            string
	env            []string
	stdout, stderr io.Writer
	// graceful is the time between SIGTERM and SIGKILL; force bounds the wait after
	// SIGKILL.
	graceful, force time.Duration
	started         func(pid int)
}

// run runs p in a process group of its own, with /dev/null as its stdin. Like
// exec.Cmd.Wait, run returns when the process has ended and nobody holds its output open
// any more. When ctx ends first, the group gets SIGTERM, then SIGKILL, and then run gives p
// up. The exit code is -1 where there is none.
func (p *process) run(ctx context.Context) (exitCode int, err error) {
	cmd := exec.Command(p.path, p.args...)
	cmd.Dir, cmd.Env = p.dir, p.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}

	// A grandchild in another group may outlive SIGKILL and hold the output open. Only the
	// reading end of our own pipes can then be closed, not of exec's.
	var copies sync.WaitGroup
	closeOutput, err := p.connect(cmd, &copies)
	if err != nil {
		return -1, err
	}
	defer func() {
		closeOutput()
		copies.Wait()
	}()

	done := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		copies.Wait()
		done <- err
	}()
	p.started(cmd.Process.Pid)

	select {
	case err = <-done:
	case <-ctx.Done():
		var ended bool
		if ended, err = p.kill(cmd.Process.Pid, done); !ended {
			return -1, err
		}
	}
	return cmd.ProcessState.ExitCode(), err
}

// connect starts cmd with its output copied to p's writers.
func (p *process) connect(cmd *exec.Cmd, copies *sync.WaitGroup) (closeOutput func(), err error) {
	outR, outW, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("failed to start command: %w", err)
	}
	defer outW.Close()
	errR, errW, err := os.Pipe()
	if err != nil {
		_ = outR.Close()
		return nil, fmt.Errorf("failed to start command: %w", err)
	}
	defer errW.Close()
	closeOutput = func() {
		_ = outR.Close()
		_ = errR.Close()
	}

	cmd.Stdout, cmd.Stderr = outW, errW
	if err := cmd.Start(); err != nil {
		closeOutput()
		return nil, fmt.Errorf("failed to start command: %w", err)
	}
	copies.Go(func() { copyAll(p.stdout, outR) })
	copies.Go(func() { copyAll(p.stderr, errR) })
	return closeOutput, nil
}

// copyAll drains r even when w fails, so a full disk under the log does not stop the job.
func copyAll(w io.Writer, r io.Reader) {
	if _, err := io.Copy(w, r); err != nil {
		_, _ = io.Copy(io.Discard, r)
	}
}

// kill ends pid's process group, and returns the error of the process's end. ended is false
// when even SIGKILL does not end the process.
func (p *process) kill(pid int, done <-chan error) (ended bool, err error) {
	wait := time.NewTimer(p.graceful)
	defer wait.Stop()
	if err := syscall.Kill(-pid, syscall.SIGTERM); err != nil {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
	}
	select {
	case err := <-done:
		return true, err
	case <-wait.C:
	}
	_ = syscall.Kill(-pid, syscall.SIGKILL)
	wait.Reset(p.force)
	select {
	case err := <-done:
		return true, err
	case <-wait.C:
		return false, fmt.Errorf("failed to kill process PID=%d, likely process is dormant", pid)
	}
}
