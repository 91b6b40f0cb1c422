package executor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitlab-dind-executor/executor/joblog"
	"gitlab-dind-executor/executor/payload"
	"gitlab-dind-executor/fault"
)

func TestExitCodesComeFromTheRunner(t *testing.T) {
	for name, c := range map[string]struct {
		env           payload.Environment
		build, system int
	}{
		"the Runner's own":               {payload.Environment{"BUILD_FAILURE_EXIT_CODE": "1", "SYSTEM_FAILURE_EXIT_CODE": "2"}, 1, 2},
		"others":                         {payload.Environment{"BUILD_FAILURE_EXIT_CODE": "37", "SYSTEM_FAILURE_EXIT_CODE": "99"}, 37, 99},
		"none":                           {payload.Environment{}, 1, 2},
		"empty":                          {payload.Environment{"BUILD_FAILURE_EXIT_CODE": "", "SYSTEM_FAILURE_EXIT_CODE": ""}, 1, 2},
		"words":                          {payload.Environment{"BUILD_FAILURE_EXIT_CODE": "one", "SYSTEM_FAILURE_EXIT_CODE": "two"}, 1, 2},
		"success, which a failure isn't": {payload.Environment{"BUILD_FAILURE_EXIT_CODE": "0", "SYSTEM_FAILURE_EXIT_CODE": "0"}, 1, 2},
		"what no process can return":     {payload.Environment{"BUILD_FAILURE_EXIT_CODE": "256", "SYSTEM_FAILURE_EXIT_CODE": "-1"}, 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			if e := newExit(c.env); e.build != c.build || e.system != c.system {
				t.Errorf("got %d and %d, want %d and %d", e.build, e.system, c.build, c.system)
			}
		})
	}
}

func TestErrorsBecomeExitCodes(t *testing.T) {
	const build, system = 11, 12
	cause := errors.New("it broke")
	for name, c := range map[string]struct {
		err    error
		code   int
		file   string
		output string
	}{
		"none":                           {nil, 0, "", ""},
		"a script that failed":           {&failedScript{42}, build, "42\n", ""},
		"the same, wrapped":              {fmt.Errorf("run: %w", &failedScript{137}), build, "137\n", ""},
		"a fault of the job":             {fault.Job(cause, "mend it"), build, "", "error: it broke\nhint: mend it\n"},
		"a fault of the system":          {fault.System(cause, "start it"), system, "", "error: it broke\nhint: start it\n"},
		"a fault without a hint":         {fault.System(cause, ""), system, "", "error: it broke\n"},
		"a plain error":                  {cause, system, "", "error: it broke\n"},
		"a job that was cancelled":       {fmt.Errorf("x: %w", context.Canceled), system, "", ""},
		"a time that ran out":            {fmt.Errorf("x: %w", context.DeadlineExceeded), system, "", "error: x: context deadline exceeded\n"},
		"one that the retry may help":    {errors.Join(fault.Job(cause, "a"), fault.System(cause, "b")), system, "", "error: it broke\nit broke\nhint: a\n"},
		"an error with an end of a line": {errors.New("it broke\n"), system, "", "error: it broke\n"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "code")
			var out bytes.Buffer
			caller := &call{exit: exit{build: build, system: system, file: file}, log: &joblog.Log{Out: &out}}
			if got := caller.code(c.err); got != c.code {
				t.Errorf("exit code %d, want %d", got, c.code)
			}
			if out.String() != c.output {
				t.Errorf("output %q, want %q", out.String(), c.output)
			}
			if b, _ := os.ReadFile(file); string(b) != c.file {
				t.Errorf("the Runner reads %q, want %q", b, c.file)
			}
		})
	}
}

func TestACodeThatCannotBeLeftIsAFaultOfTheSystem(t *testing.T) {
	var out bytes.Buffer
	c := &call{exit: exit{build: 1, system: 2, file: filepath.Join(t.TempDir(), "none", "code")}, log: &joblog.Log{Out: &out}}
	if got := c.code(&failedScript{42}); got != 2 || !strings.Contains(out.String(), "exit code to the Runner") {
		t.Errorf("exit code %d, output %q", got, out.String())
	}
}

func TestTheCodeOfAnEarlierStageIsRemoved(t *testing.T) {
	file := filepath.Join(t.TempDir(), "code")
	e := exit{file: file}
	if err := e.reset(); err != nil {
		t.Errorf("without one: %v", err)
	}
	if err := e.record(42); err != nil {
		t.Fatal(err)
	}
	if err := e.reset(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
	if err := e.record(7); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(file); string(b) != "7\n" {
		t.Errorf("the next one is %q", b)
	}
	none := exit{} // a Runner before 16.10 names no file
	if err := errors.Join(none.reset(), none.record(1)); err != nil {
		t.Errorf("without a file: %v", err)
	}
	blocked := exit{file: "/proc/1/none"}
	if err := (exit{file: "/proc/self/status"}).reset(); err == nil {
		t.Error("a code that cannot be removed is no fault")
	}
	if err := blocked.record(1); err == nil {
		t.Error("a code that cannot be written is no fault")
	}
}
