package executor

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"gitlab-dind-executor/test/fakeengine"
)

// systemd ends all processes of the Runner's unit when somebody stops the unit. The removal
// of the last job's sandbox goes on.
func TestAStopOfTheRunnerLeavesNoSandbox(t *testing.T) {
	e := fakeengine.New(t)
	var told atomic.Int64
	e.Always("DELETE /networks/{id}", fakeengine.First(func(*fakeengine.Engine) {
		for _, pid := range childrenWith(t, "finish") {
			if syscall.Kill(pid, syscall.SIGTERM) == nil {
				told.Add(1)
			}
		}
	}))
	payload := with("")
	for _, h := range []string{"config", "prepare", "cleanup"} {
		if code, _, log := hook(t, e, payload, h); code != 0 {
			t.Fatalf("%s: exit code %d, %s", h, code, log)
		}
	}
	if told.Load() == 0 {
		t.Fatal("no process was told to end")
	}
	for _, o := range e.Objects() {
		if strings.Contains(o, "-cache-") || strings.Contains(o, "-data-") {
			continue // outlives jobs
		}
		t.Errorf("left is %s", o)
	}
}

// childrenWith returns this process's children with an argument.
func childrenWith(t *testing.T, argument string) []int {
	t.Helper()
	out, err := exec.Command("pgrep", "-P", strconv.Itoa(os.Getpid())).Output()
	if err != nil {
		return nil // there is none
	}
	var pids []int
	for _, field := range strings.Fields(string(out)) {
		line, _ := os.ReadFile(filepath.Join("/proc", field, "cmdline"))
		if pid, err := strconv.Atoi(field); err == nil && strings.Contains(string(line), "\x00"+argument+"\x00") {
			pids = append(pids, pid)
		}
	}
	return pids
}
