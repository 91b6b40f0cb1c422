package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitlab-dind-executor/executor"
)

const programName = "gitlab-dind-executor"

// TestMain is the program itself where this binary has the program's name, and where a command
// of the program starts a process to outlive the command.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == programName || len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		os.Exit(executor.Main(os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}
