package engines

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// repository is the root of this module.
func repository(t testing.TB) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// built makes the folder with a host's programs, once.
var built = sync.OnceValues(func() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "dind-engines-"); err != nil {
		return "", err
	}
	for _, build := range [][]string{
		{"build", "-trimpath", "-o", filepath.Join(dir, "gitlab-dind-executor"), "gitlab-dind-executor"},
		{"build", "-trimpath", "-o", filepath.Join(dir, "boundedruntime"), "gitlab-dind-executor/test/boundedruntime"},
		{"build", "-trimpath", "-o", filepath.Join(dir, "apirunner"), "gitlab-dind-executor/test/apirunner"},
		{"test", "-c", "-tags", tags(), "-trimpath", "-o", filepath.Join(dir, "e2e.test"), "gitlab-dind-executor/test/e2e"},
	} {
		cmd := exec.Command("go", build...)
		// CGO is off, because another Debian's C library could not run the programs.
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return dir, &buildError{err, out}
		}
	}
	config := map[string]any{}
	runtimes := map[string]any{}
	if bounded() {
		runtimes["bounded"] = map[string]any{"path": programs + "/boundedruntime"}
		config["default-runtime"] = "bounded"
	}
	if *runsc != "" {
		program, err := os.ReadFile(*runsc)
		if err != nil {
			return dir, err
		}
		if err := os.WriteFile(filepath.Join(dir, "runsc"), program, 0o755); err != nil {
			return dir, err
		}
		runtimes["runsc"] = map[string]any{"path": programs + "/runsc", "runtimeArgs": []string{"--net-raw", "--allow-packet-socket-write"}}
	}
	config["runtimes"] = runtimes
	content, err := json.Marshal(config)
	return dir, errors.Join(err, os.Chmod(dir, 0o755), os.WriteFile(filepath.Join(dir, "daemon.json"), content, 0o644))
})

// bounded tells whether this machine lacks a capability of its kernel, as scripts/engine does.
// runc cannot make privileged containers on such a machine.
func bounded() bool {
	status, _ := os.ReadFile("/proc/self/status")
	last, _ := os.ReadFile("/proc/sys/kernel/cap_last_cap")
	var set uint64
	var n uint
	_, after, _ := strings.Cut(string(status), "\nCapBnd:")
	_, setErr := fmt.Sscanf(after, "%x", &set)
	_, lastErr := fmt.Sscan(string(last), &n)
	return errors.Join(setErr, lastErr) == nil && set != 1<<(n+1)-1
}

// tags are the build tags of a host's tests.
func tags() string {
	if *runsc != "" {
		return "gvisor"
	}
	return ""
}

var isBuilt bool

type buildError struct {
	error
	out []byte
}

func (e *buildError) Error() string { return e.error.Error() + "\n" + string(e.out) }

// removePrograms removes the programs, if they were built.
func removePrograms() {
	if isBuilt {
		dir, _ := built()
		_ = os.RemoveAll(dir)
	}
}

// buildPrograms returns the folder with the executor, the tests of test/e2e and the Go programs
// that scripts/engine needs. TestMain removes the folder.
func buildPrograms(t testing.TB) string {
	t.Helper()
	isBuilt = true
	dir, err := built()
	if err != nil {
		t.Fatalf("what runs in a host cannot be built: %v", err)
	}
	return dir
}
