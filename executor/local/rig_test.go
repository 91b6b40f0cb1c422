package local

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds a test's wait for an event that must come.
const patience = 2 * time.Minute

// rig is a Runner with the fake driver behind it.
type rig struct {
	*Runner
	t         *testing.T
	dir       string
	log       *logBuffer
	runnerLog *logBuffer
}

// newRig makes a rig; plan holds the driver's acts by the hook's kind or stage.
func newRig(t *testing.T, plan map[string][]act) *rig {
	t.Helper()
	dir := t.TempDir()
	full := map[string][]act{"config": {{Stdout: answer}}}
	for k, v := range plan {
		full[k] = v
	}
	text, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "plan.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	noGoroutineStays(t)
	g := &rig{t: t, dir: dir, log: newLogBuffer(), runnerLog: newLogBuffer()}
	g.Runner = &Runner{
		Executable: os.Args[0],
		ConfigArgs: []string{"config"}, PrepareArgs: []string{"prepare"},
		RunArgs: []string{"run"}, CleanupArgs: []string{"cleanup"},
		// Without GORACE the fake driver sleeps for a second at its exit. Without
		// GOCOVERDIR the driver complains in a test built for coverage.
		Env:     []string{fakeDir + "=" + dir, "GORACE=atexit_sleep_ms=0", "GOCOVERDIR=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()},
		TempDir: t.TempDir(),
		Log:     g.log, RunnerLog: g.runnerLog,
		PrepareRetryDelay: time.Millisecond, StageRetryDelay: time.Millisecond,
	}
	return g
}

// noGoroutineStays checks at the test's end that all its goroutines end.
func noGoroutineStays(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before; <-tick.C {
			if time.Now().After(deadline) {
				stacks := make([]byte, 1<<16)
				t.Errorf("goroutines stay:\n%s", stacks[:runtime.Stack(stacks, true)])
				return
			}
		}
	})
}

// answer is the fake driver's usual answer to the config hook.
const answer = `{"driver":{"name":"fake","version":"v1"},"builds_dir":"/builds","cache_dir":"/cache","job_env":{"SANDBOX":"x"}}`

func fixture(t *testing.T) Payload {
	t.Helper()
	text, err := os.ReadFile("testdata/job.json")
	if err != nil {
		t.Fatal(err)
	}
	var p Payload
	if err := json.Unmarshal(text, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// small is a payload with only a script and an after_script.
func small() Payload {
	return Payload{
		ID: 1, Token: "secret-token", AllowGitFetch: true,
		JobInfo: JobInfo{Name: "test", ProjectID: 15},
		GitInfo: GitInfo{RepoURL: "https://git.example.org/kitchen/kettle.git", SHA: strings.Repeat("ab", 20), Ref: "main"},
		Steps: []Step{
			{Name: "script", Script: []string{"true"}},
			{Name: "after_script", Script: []string{"true"}},
		},
	}
}

// records returns the fake driver's records, in order.
func (g *rig) records() []record {
	g.t.Helper()
	files, err := filepath.Glob(filepath.Join(g.dir, "[0-9]*.json"))
	if err != nil {
		g.t.Fatal(err)
	}
	var out []record
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			g.t.Fatal(err)
		}
		var r record
		if err := json.Unmarshal(text, &r); err != nil {
			g.t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// calls returns the names of the calls, in order.
func (g *rig) calls() string {
	var names []string
	for _, r := range g.records() {
		names = append(names, r.Name)
	}
	return strings.Join(names, " ")
}

// last returns the last call with a name.
func (g *rig) last(name string) record {
	g.t.Helper()
	var found *record
	for _, r := range g.records() {
		if r.Name == name {
			found = &r
		}
	}
	if found == nil {
		g.t.Fatalf("no call of %s in: %s", name, g.calls())
	}
	return *found
}

// run runs a job and fails the test where the job does not end.
func (g *rig) run(p Payload) Result {
	g.t.Helper()
	return g.wait(g.Start(g.t.Context(), p))
}

func (g *rig) wait(j *Job) Result {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	select {
	case <-j.Done():
		return j.Wait()
	case <-ctx.Done():
		g.t.Fatalf("the job does not end; its log:\n%s", g.log)
		return Result{}
	}
}

// expect checks a result's state, exit code and error.
func (g *rig) expect(res Result, state State, exitCode int, message string) {
	g.t.Helper()
	got := ""
	if res.Err != nil {
		got = res.Err.Error()
	}
	if res.State != state || res.ExitCode != exitCode || got != message {
		g.t.Errorf("result is %s, %d, %q; want %s, %d, %q; log:\n%s", res.State, res.ExitCode, got, state, exitCode, message, g.log)
	}
}

func (g *rig) expectCalls(want string) {
	g.t.Helper()
	if got := g.calls(); got != want {
		g.t.Errorf("calls are\n  %s\nwant\n  %s", got, want)
	}
}

// logBuffer is a log with a wait for its content.
type logBuffer struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	changed chan struct{}
}

func newLogBuffer() *logBuffer { return &logBuffer{changed: make(chan struct{})} }

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.changed)
	l.changed = make(chan struct{})
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// await waits until the log has text.
func (l *logBuffer) await(t *testing.T, text string) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		l.mu.Lock()
		found, changed := strings.Contains(l.buf.String(), text), l.changed
		l.mu.Unlock()
		if found {
			return
		}
		select {
		case <-changed:
		case <-deadline.C:
			t.Fatalf("the log never says %q:\n%s", text, l)
		}
	}
}

// inOrder checks that the texts follow each other in s.
func inOrder(t *testing.T, s string, texts ...string) {
	t.Helper()
	rest := s
	for _, text := range texts {
		_, after, found := strings.Cut(rest, text)
		if !found {
			t.Fatalf("%q is missing or out of order in:\n%s", text, s)
		}
		rest = after
	}
}
