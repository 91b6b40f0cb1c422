package executor

import (
	"bytes"
	"strings"
	"testing"

	"gitlab-dind-executor/executor/joblog"
	"gitlab-dind-executor/executor/payload"
	"gitlab-dind-executor/group"
)

// Go ends a program with a panicking goroutine by a code with another meaning to the
// Runner.
func TestAPanicBesideAHookIsAFaultOfTheSystem(t *testing.T) {
	var log bytes.Buffer
	c := &call{stderr: &log, exit: newExit(payload.Environment{"SYSTEM_FAILURE_EXIT_CODE": "99"}), log: &joblog.Log{Out: &log}}
	var g group.Group
	g.Go(func() error { panic("a nil map") })
	if code := c.code(g.Wait()); code != 99 {
		t.Errorf("exit code %d", code)
	}
	want := "error: a fault of gitlab-dind-executor itself: a nil map\nhint: please report it with the lines below\ngoroutine "
	if !strings.HasPrefix(log.String(), want) || !strings.Contains(log.String(), "panic_test.go") {
		t.Errorf("said %q", log.String())
	}
}
