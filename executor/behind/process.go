package behind

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// Process is a call of this program that outlives its caller.
type Process struct {
	Args, Env []string
	// Input is the process's stdin, in memory only; nil for none.
	Input []byte
}

// Start starts the process in a session of its own, without any of this process's files.
// The Runner waits for all holders of a hook's pipes.
func (p Process) Start() (*os.Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	process := p.command(self)
	if p.Input != nil {
		stdin, err := inMemory(p.Input)
		if err != nil {
			return nil, err
		}
		defer stdin.Close()
		process.Stdin = stdin
	}
	if err := process.Start(); err != nil {
		return nil, err
	}
	return process.Process, nil
}

// command calls a program with the given environment and no other.
func (p Process) command(program string) *exec.Cmd {
	process := exec.Command(program, p.Args...)
	process.Dir = "/"
	process.Env = append([]string{}, p.Env...) // nil would hand on all of this process's
	process.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return process
}

// inMemory makes a file that no disk ever sees.
func inMemory(content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("gitlab-dind-executor", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making a file in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), "memory")
	_, err = f.Write(content)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("writing a file in memory: %w", err)
	}
	return f, nil
}
