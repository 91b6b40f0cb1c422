package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"gitlab-dind-executor/executor/local"
)

// The environment of a process that plays a Runner.
const (
	envPayload  = "DIND_LAB_PAYLOAD"
	envSettings = "DIND_LAB_SETTINGS"
	envBinary   = "DIND_LAB_BINARY"
)

// Mortal is a stand-in for GitLab Runner in a process of its own, so that a test can kill it.
type Mortal struct {
	cmd *exec.Cmd
	// Hooks tells of each hook at its start. The channel is closed when the Runner's output
	// ends.
	Hooks <-chan local.Hook
	log   strings.Builder
}

// MortalMain is the main function of a Runner's process. Programs call it first. mortal is
// false in any other process.
func MortalMain() (code int, mortal bool) {
	if os.Getenv(envPayload) == "" {
		return 0, false
	}
	var p local.Payload
	b, err := os.ReadFile(os.Getenv(envPayload))
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1, true
	}
	hook := func(name string) []string { return []string{"--settings", os.Getenv(envSettings), name} }
	r := local.Runner{
		Executable: os.Getenv(envBinary),
		ConfigArgs: hook("config"), PrepareArgs: hook("prepare"), RunArgs: hook("run"), CleanupArgs: hook("cleanup"),
		TempDir:           filepath.Dir(os.Getenv(envPayload)),
		PrepareRetryDelay: 50 * time.Millisecond, StageRetryDelay: 50 * time.Millisecond,
		Log: os.Stdout, RunnerLog: os.Stdout,
		OnHook: func(h local.Hook) { fmt.Printf("\nhook %d %s %s\n", h.PID, h.Kind, h.Stage) },
	}
	res := r.Run(context.Background(), p)
	fmt.Printf("\nended: %s %v\n", res.State, res.Err)
	return 0, true
}

// StartMortal runs a job with a Runner that can be killed.
func (l *Lab) StartMortal(ctx context.Context, settings string, p local.Payload) (*Mortal, error) {
	b, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(l.dir, "mortal-")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "payload.json")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	m := &Mortal{cmd: exec.CommandContext(ctx, self)}
	m.cmd.Env = append(os.Environ(), envPayload+"="+file, envSettings+"="+settings, envBinary+"="+l.Binary,
		"XDG_STATE_HOME="+filepath.Join(l.dir, "state"))
	out, err := m.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := m.cmd.Start(); err != nil {
		return nil, err
	}
	hooks := make(chan local.Hook, 1000) // more than any job has, so that nobody need listen
	m.Hooks = hooks
	go m.read(out, hooks)
	return m, nil
}

func (m *Mortal) read(out io.Reader, hooks chan<- local.Hook) {
	defer close(hooks)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		m.log.WriteString(lines.Text() + "\n")
		var h local.Hook
		if n, _ := fmt.Sscanf(lines.Text(), "hook %d %s %s", &h.PID, &h.Kind, &h.Stage); n >= 2 {
			hooks <- h
		}
	}
}

// Kill kills the Runner alone, without its hooks.
func (m *Mortal) Kill() error { return m.cmd.Process.Kill() }

// Wait waits until the Runner has ended and all its output was read.
func (m *Mortal) Wait() {
	for range m.Hooks {
	}
	_ = m.cmd.Wait() // it may have been killed
}

// Log is the whole output. Call it after Wait.
func (m *Mortal) Log() string { return m.log.String() }
