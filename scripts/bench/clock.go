package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// lineClock notes the time of the first line. It is for one writer at a time.
type lineClock struct {
	at   time.Time
	held []byte
	// all is the whole output, for errors.
	all bytes.Buffer
}

// Write reports all of p as written.
func (c *lineClock) Write(p []byte) (int, error) {
	now := time.Now()
	c.all.Write(p)
	c.held = append(c.held, p...)
	for {
		line, rest, found := bytes.Cut(c.held, []byte("\n"))
		if !found {
			return len(p), nil
		}
		if c.at.IsZero() && string(bytes.TrimRight(line, "\r")) == firstLine {
			c.at = now
		}
		c.held = rest
	}
}

// since is the time from start to the line.
func (c *lineClock) since(start time.Time) (time.Duration, error) {
	if c.at.IsZero() {
		return 0, fmt.Errorf("%q never came: %s", firstLine, bytes.TrimSpace(c.all.Bytes()))
	}
	return c.at.Sub(start), nil
}

// outWait bounds two waits: for output that stays open after the end of its process, and for
// the end of a hook after its signal.
const outWait = 10 * time.Second

// command is a process in a group of its own, so that a terminal's interrupt reaches only the
// bench. The process is killed when ctx ends.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = outWait
	return cmd
}

// runCommand runs cmd. The error holds cmd's stderr.
func runCommand(cmd *exec.Cmd) error {
	var stderr bytes.Buffer
	if cmd.Stderr == nil {
		cmd.Stderr = &stderr
	}
	err := cmd.Run()
	if text := bytes.TrimSpace(stderr.Bytes()); err != nil && len(text) > 0 {
		return fmt.Errorf("%s: %w: %s", cmd.Args[0], err, text)
	}
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w\nhint: the docker command is needed, scripts/engine installs it", err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", cmd.Args[0], err)
	}
	return nil
}
