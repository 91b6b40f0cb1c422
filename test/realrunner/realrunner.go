// Package realrunner finds, starts and ends a GitLab Runner that is installed on this
// host, for programs that show or measure what goes for executor/local with a real one.
//
// It may import fault.
package realrunner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"gitlab-dind-executor/fault"
)

// stopping is what a Runner has to end after SIGTERM.
const stopping = 30 * time.Second

var versionLine = regexp.MustCompile(`(?m)^Version:\s+(\S+)$`)

// Find is the absolute path of a binary that tells its version as gitlab-runner does.
// target is the Makefile's, for the hint.
func Find(ctx context.Context, path, target string) (binary, version string, err error) {
	hint := "install GitLab Runner, then: make " + target + " RUNNER=/usr/bin/gitlab-runner"
	if path == "" {
		return "", "", fault.System(errors.New("no gitlab-runner is named"), hint)
	}
	found, err := exec.LookPath(path)
	if err == nil {
		found, err = filepath.Abs(found)
	}
	if err == nil {
		found, err = filepath.EvalSymlinks(found)
	}
	if err != nil {
		return "", "", fault.System(fmt.Errorf("there is no gitlab-runner: %w", err), hint)
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, found, "--version").Output()
	if err == nil && !versionLine.Match(out) {
		err = errors.New("it tells no version")
	}
	if err != nil {
		return "", "", fault.System(fmt.Errorf("%s is no gitlab-runner: %w", found, err), hint)
	}
	return found, string(versionLine.FindSubmatch(out)[1]), nil
}

// Environ is a Runner's environment: a home of its own, so that no docker configuration
// and no settings of this host play a part.
func Environ(dir string) []string {
	return append(os.Environ(), "HOME="+dir, "XDG_STATE_HOME="+dir, "TMPDIR="+dir)
}

// Quoted is a string of TOML; paths and addresses have nothing to escape but these.
func Quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// Process is a Runner that runs. Stop ends it.
type Process struct {
	cmd   *exec.Cmd
	log   buffer
	ended chan struct{}
}

// Start starts a Runner with a config.toml, in a process group of its own, so that the
// terminal's Ctrl-C does not reach it before its jobs are told. dir is its home.
func Start(binary, dir, config string) (*Process, error) {
	work := filepath.Join(dir, "work")
	if err := os.Mkdir(work, 0o700); err != nil {
		return nil, err
	}
	p := &Process{cmd: exec.Command(binary, "run", "--config", config, "--working-directory", work), ended: make(chan struct{})}
	p.cmd.Env = Environ(dir)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // how it ends is of no interest
	}()
	return p, nil
}

// Ended is closed when it has ended, by itself or by Stop.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Log is what it has printed so far.
func (p *Process) Log() string { return p.log.String() }

// Stop ends the Runner, and with it jobs that an interruption has left.
func (p *Process) Stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	wait := time.NewTimer(stopping)
	defer wait.Stop()
	select {
	case <-p.ended:
		return nil
	case <-wait.C:
	}
	_ = p.cmd.Process.Kill()
	<-p.ended
	return fault.System(errors.New("the Runner did not end after SIGTERM"), "its log:\n"+p.Log())
}

// buffer is a log that can be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
