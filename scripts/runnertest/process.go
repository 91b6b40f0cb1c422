package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"gitlab-dind-executor/fault"
)

// stopping is what a Runner has to end after SIGTERM; it has no job then.
const stopping = 30 * time.Second

// writeConfig writes a config.toml: the example's, with what is this world's.
func (t *trial) writeConfig(file, settings string) error {
	example, err := os.ReadFile("config.toml.example")
	if err != nil {
		return fault.System(err, "run this in the repository")
	}
	text, err := configOf(string(example), t.api.URL, t.api.Token, t.executor, settings)
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(text), 0o600)
}

// configOf fills the example in, and says what it misses there.
func configOf(example, url, token, executor, settings string) (string, error) {
	replace := [][2]string{
		{`"https://gitlab.example.com"`, quoted(url)},
		{`"glrt-REPLACE-ME"`, quoted(token)},
		{`"/usr/local/bin/gitlab-dind-executor"`, quoted(executor)},
	}
	for _, hook := range []string{"config", "prepare", "run", "cleanup"} {
		replace = append(replace, [2]string{hook + `_args = ["`, hook + `_args = ["--settings", ` + quoted(settings) + `, "`})
	}
	for _, r := range replace {
		if !strings.Contains(example, r[0]) {
			return "", fault.System(fmt.Errorf("config.toml.example has no %s any more", r[0]), "mend configOf in scripts/runnertest")
		}
		example = strings.ReplaceAll(example, r[0], r[1])
	}
	return "check_interval = 1\n" + example, nil
}

// quoted is a string of TOML; paths and addresses have nothing to escape but these.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// environ is the Runner's: its own home, so that no docker configuration and no
// settings of this host play a part.
func environ(dir string) []string {
	return append(os.Environ(), "HOME="+dir, "XDG_STATE_HOME="+dir, "TMPDIR="+dir)
}

// verify lets the Runner ask whether its token is good.
func (t *trial) verify(ctx context.Context, dir, config string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, t.runner, "verify", "--config", config)
	cmd.Env = environ(dir)
	out, err := cmd.CombinedOutput()
	if verified, _ := t.api.Calls(); err == nil && verified == 0 {
		err = errors.New("it did not ask")
	}
	if err != nil {
		return fault.System(fmt.Errorf("gitlab-runner verify: %w", err), "what it said:\n"+string(out))
	}
	fmt.Fprintf(t.out, "GitLab      a stand-in for its job API at %s; the Runner's token is valid\n\n", t.api.URL)
	return nil
}

// process is the Runner.
type process struct {
	cmd   *exec.Cmd
	log   *buffer
	ended chan struct{}
}

// start starts the Runner in a process group of its own, so that the terminal's
// Ctrl-C does not reach it before its jobs are told.
func (t *trial) start(dir, config string) (*process, error) {
	work := filepath.Join(dir, "work")
	if err := os.Mkdir(work, 0o700); err != nil {
		return nil, err
	}
	p := &process{
		cmd: exec.Command(t.runner, "run", "--config", config, "--working-directory", work),
		log: &buffer{}, ended: make(chan struct{}),
	}
	p.cmd.Env = environ(dir)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
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

// stop ends the Runner, and with it jobs that an interruption has left.
func (p *process) stop() error {
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
	return fault.System(errors.New("the Runner did not end after SIGTERM"), "its log:\n"+p.log.String())
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
