// Package ends lets a test wait for an end without help. Its bound catches endless hangs, and
// even a busy machine stays below the bound.
package ends

import (
	"runtime"
	"testing"
	"time"
)

// bound is far longer than any wait on a busy machine.
const bound = 2 * time.Minute

// ByItself runs do, which must end without help, and fails the test when do hangs.
func ByItself(t testing.TB, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	Await(t, done, "what must end by itself")
}

// Await returns the next value of a channel, or the zero value when the channel is closed. It
// fails the test when neither happens. what names the awaited event in the failure.
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
