package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// world is made once. Each test runs its jobs there and leaves the engine's lists unchanged.
var world *lab.Lab

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if code, mortal := lab.MortalMain(); mortal {
		return code
	}
	if host := os.Getenv(envTryIPv6); host != "" {
		return tryIPv6(host)
	}
	ctx, cancel := context.WithTimeout(context.Background(), rig.Slower(2*time.Minute))
	defer cancel()
	var err error
	if world, err = lab.New(ctx, lab.Options{}); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	code := m.Run()
	if err := world.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	return code
}

// get and post are functions of scripts. get prints the content at an address, post the status
// of the answer. The official docker:cli has wget alone, others curl.
const (
	get  = `get() { if command -v curl >/dev/null; then curl -sf "$1"; else wget -qO- "$1"; fi; }`
	post = `post() { if command -v curl >/dev/null; then curl -s -o /dev/null -w "%{http_code}" -X POST "$1"; else wget -O- --post-data= "$1" 2>&1 | grep -o "HTTP/1.1 ..." | cut -c10-; fi; }`
)

// long tells whether a test should try all kinds of a thing. make test-engines does so. make
// test tries the kinds that differ most.
func long() bool { return os.Getenv("DIND_E2E_LONG") != "" }

// jobTimeout bounds each job of these tests.
var jobTimeout = rig.Slower(3 * time.Minute)

// buffer is a log that can be read while a job writes it.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
	// wrote is closed and replaced at each write.
	wrote chan struct{}
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wrote != nil {
		close(b.wrote)
		b.wrote = nil
	}
	return b.b.Write(p)
}

// waitFor waits until the log holds a text, or fails when the job ends first.
func (b *buffer) waitFor(t *testing.T, job *local.Job, text string) {
	t.Helper()
	for {
		b.mu.Lock()
		if b.wrote == nil {
			b.wrote = make(chan struct{})
		}
		wrote, found := b.wrote, bytes.Contains(b.b.Bytes(), []byte(text))
		b.mu.Unlock()
		if found {
			return
		}
		select {
		case <-wrote:
		case <-job.Done():
			t.Fatalf("the job ended before its log held %q:\n%s", text, b)
		}
	}
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// ran is a job that has ended, with its logs.
type ran struct {
	local.Result
	t         *testing.T
	log       string
	runnerLog string
}

// runJob runs a job with the lab's usual Runner, changed by with.
func runJob(t *testing.T, p local.Payload, with ...func(*local.Runner)) ran {
	t.Helper()
	rig.Unchanged(t, world.Engine)
	return runJobUnchecked(t, p, with...)
}

// runJobUnchecked is runJob without the comparison of the engine's lists, for tests that first
// sweep.
func runJobUnchecked(t *testing.T, p local.Payload, with ...func(*local.Runner)) ran {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), jobTimeout)
	defer cancel()
	job, finish := startJob(ctx, t, p, with...)
	return finish(job.Wait())
}

// startJob starts a job. finish turns the result of Wait into a ran.
func startJob(ctx context.Context, t *testing.T, p local.Payload, with ...func(*local.Runner)) (*local.Job, func(local.Result) ran) {
	t.Helper()
	var log, runnerLog buffer
	r := world.Runner()
	r.Log, r.RunnerLog = &log, &runnerLog
	r.PrepareRetryDelay = 50 * time.Millisecond
	for _, w := range with {
		w(r)
	}
	return r.Start(ctx, p), func(res local.Result) ran {
		t.Helper()
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("state %s, error %v, phases %+v\njob log:\n%s\nrunner log:\n%s", res.State, res.Err, res.Phases, log.String(), runnerLog.String())
			}
		})
		return ran{Result: res, t: t, log: log.String(), runnerLog: runnerLog.String()}
	}
}

func (r ran) succeeded() ran {
	r.t.Helper()
	if r.State != local.Success {
		r.t.Fatalf("the job ended as %s: %v", r.State, r.Err)
	}
	return r
}

func (r ran) failedWith(code int) ran {
	r.t.Helper()
	if r.State != local.Failed || r.ExitCode != code {
		r.t.Fatalf("the job ended as %s with code %d, want failed with %d: %v", r.State, r.ExitCode, code, r.Err)
	}
	return r
}

// says asserts that the job log has these parts, in this order.
func (r ran) says(parts ...string) ran {
	r.t.Helper()
	rest := r.log
	for _, p := range parts {
		_, after, found := strings.Cut(rest, p)
		if !found {
			r.t.Fatalf("the job log does not say %q (in this place)", p)
		}
		rest = after
	}
	return r
}

func (r ran) saysNot(parts ...string) ran {
	r.t.Helper()
	for _, p := range parts {
		if strings.Contains(r.log, p) {
			r.t.Fatalf("the job log says %q", p)
		}
	}
	return r
}

// quietCleanup asserts that cleanup printed nothing, and waits for the removal behind the
// cleanup.
func (r ran) quietCleanup() ran {
	r.t.Helper()
	removedBehind(r.t)
	if strings.TrimSpace(r.runnerLog) != "" {
		r.t.Fatalf("cleanup said: %s", r.runnerLog)
	}
	return r
}

// images replaces a job's image and its single service.
func images(p local.Payload, job, dind string) local.Payload {
	p.Image = local.Image{Name: job}
	p.Services = []local.Image{{Name: dind}}
	return p
}

// withSettings makes the hooks read another settings file.
func withSettings(path string) func(*local.Runner) {
	return func(r *local.Runner) {
		for _, args := range []*[]string{&r.ConfigArgs, &r.PrepareArgs, &r.RunArgs, &r.CleanupArgs} {
			*args = []string{"--settings", path, (*args)[len(*args)-1]}
		}
	}
}

// withState gives the Runner's user a state directory of its own.
func withState(dir string) func(*local.Runner) {
	return func(r *local.Runner) { r.Env = append(os.Environ(), "XDG_STATE_HOME="+dir) }
}

// withoutCA takes the registry's CA out of a settings file.
func withoutCA(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := slices.DeleteFunc(strings.Split(string(b), "\n"), func(line string) bool { return strings.HasPrefix(line, "ca_file") })
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
}
