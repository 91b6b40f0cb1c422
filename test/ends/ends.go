// Package ends lets a test wait for what must come to an end. Its bound is for
// what hangs for good: a busy machine does not reach it.
package ends

import (
	"runtime"
	"testing"
	"time"
)

// bound is far beyond what anything takes on a busy machine.
const bound = 2 * time.Minute

// ByItself runs what must end without help, and fails the test when it hangs.
func ByItself(t testing.TB, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	Await(t, done, "what must end by itself")
}

// Await returns what comes from a channel, or the zero value when it is closed.
// It fails the test when neither happens. what names that in the failure.
func Await[T any](t testing.TB, from <-chan T, what string) T {
	t.Helper()
	hung := time.NewTimer(bound)
	defer hung.Stop()
	select {
	case v := <-from:
		return v
	case <-hung.C:
		stacks := make([]byte, 1<<20)
		t.Fatalf("waited %s in vain for %s:\n%s", bound, what, stacks[:runtime.Stack(stacks, true)])
		panic("unreachable")
	}
}
