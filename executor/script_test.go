package executor_test

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"gitlab-dind-executor/executor"
)

// TestMain makes this test binary the real program: for the scripts, under its own name,
// and for hooks that start a process to outlive them.
func TestMain(m *testing.M) {
	// No test asks a registry: the fake engine answers for them.
	os.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		if os.Getenv("XDG_TEST_BEHIND") == "nothing" { // a test looks at the work of the hooks alone
			os.Exit(0)
		}
		// A process behind a hook of a test uses the socket of the test.
		executor.ListenForPlansAt(os.Getenv(executor.EnvOfTestPool))
		os.Exit(executor.Main(os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
	}
	testscript.Main(m, map[string]func(){
		"gitlab-dind-executor": func() {
			os.Exit(executor.Main(os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
		},
	})
}

func TestCommandLine(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// exits runs a program that must end with a given exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARGUMENT...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, not %s (%v)", code, args[0], err)
	}
}
