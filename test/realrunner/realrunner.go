// Package realrunner finds, starts and ends a GitLab Runner installed on this host. Programs
// show or measure with such a Runner what executor/local shows without.
//
// The package may import fault.
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

// stopping is a Runner's time to end after SIGTERM.
const stopping = 30 * time.Second

var versionLine = regexp.MustCompile(`(?m)^Version:\s+(\S+)$`)

// Find returns the absolute path and the version of a gitlab-runner binary. The binary must
// print its version as gitlab-runner does. target is the Makefile's, for the hint.
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

// Environ is a Runner's environment. Its home is dir, so neither a docker configuration nor
// settings of this host play a part.
func Environ(dir string) []string {
	return append(os.Environ(), "HOME="+dir, "XDG_STATE_HOME="+dir, "TMPDIR="+dir)
}

// Quoted is a string of TOML. Only backslash and quote are escaped, because paths and addresses
// have nothing else to escape.
func Quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// Process is a running Runner. Stop ends it.
type Process struct {
	cmd   *exec.Cmd
	log   buffer
	ended chan struct{}
}

// Start starts a Runner with a config.toml and the home dir. The Runner gets a process group of
// its own. So the terminal's Ctrl-C does not reach the Runner before its jobs are told.
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
		_ = p.cmd.Wait() // the manner of its end is of no interest
	}()
	return p, nil
}

// Ended is closed when the Runner has ended, by itself or by Stop.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Log is the Runner's output so far.
func (p *Process) Log() string { return p.log.String() }

// Stop ends the Runner and the remaining jobs of an interruption.
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

// buffer is a log for reading and writing at once.
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
