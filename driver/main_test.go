package driver

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime/pprof"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestMain keeps a developer's own engine away from these tests.
func TestMain(m *testing.M) {
	for _, key := range []string{"DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_API_VERSION"} {
		_ = os.Unsetenv(key)
	}
	os.Exit(m.Run())
}

// nothingRunsOn checks at a test's end that all goroutines have ended that it has
// started. They carry its name, as tests run side by side.
func nothingRunsOn(t *testing.T) {
	t.Helper()
	before := running(t.Name())
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels("test", t.Name())))
	t.Cleanup(func() { // after the engine and the driver have been closed
		pprof.SetGoroutineLabels(context.Background()) // this one goes on
		deadline := time.NewTimer(time.Minute)
		defer deadline.Stop()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for running(t.Name()) > before {
			select {
			case <-tick.C:
			case <-deadline.C:
				var stacks bytes.Buffer
				_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1)
				t.Errorf("goroutines stay:\n%s", stacks.String())
				return
			}
		}
	})
}

// running counts the goroutines that carry a test's name.
func running(test string) int {
	var profile bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&profile, 1)
	// Of goroutines that are alike one line has the number, the next the labels.
	alike, sum := 0, 0
	for line := range strings.Lines(profile.String()) {
		if n, _, ok := strings.Cut(line, " @ "); ok {
			alike, _ = strconv.Atoi(n)
		} else if line == fmt.Sprintf("# labels: {\"test\":%q}\n", test) {
			sum += alike
		}
	}
	return sum
}

// A leak that nobody sees would be none.
func TestAGoroutineThatStaysIsCounted(t *testing.T) {
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels("test", t.Name())))
	defer pprof.SetGoroutineLabels(context.Background())
	before, end := running(t.Name()), make(chan struct{})
	for range 3 {
		go func() { <-end }()
	}
	if n := running(t.Name()) - before; n != 3 {
		t.Errorf("%d of 3 are counted", n)
	}
	close(end)
}
