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

// nothingRunsOn checks at a test's end that all goroutines of the test have ended. They
// carry the test's name, because tests run side by side.
func nothingRunsOn(t *testing.T) {
	t.Helper()
	before := running(t.Name())
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels("test", t.Name())))
	t.Cleanup(func() { // after the engine and the driver are closed
		pprof.SetGoroutineLabels(context.Background()) // the test's own goroutine goes on
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

// running counts the goroutines with a test's name.
func running(test string) int {
	var profile bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&profile, 1)
	// Equal goroutines share two lines: the first has their number, the next their labels.
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

// Without this count no leak would be noticed.
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
