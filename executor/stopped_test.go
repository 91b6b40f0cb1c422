package executor

import (
	"fmt"
	"os"
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
	all, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil {
		t.Error(err)
	}
	parent := fmt.Sprintf("\nPPid:\t%d\n", os.Getpid())
	var pids []int
	for _, file := range all {
		status, _ := os.ReadFile(file) // a process may just have ended
		line, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil && strings.Contains(string(status), parent) && strings.Contains(string(line), "\x00"+argument+"\x00") {
			pids = append(pids, pid)
		}
	}
	return pids
}
