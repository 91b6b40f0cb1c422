package local

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestCancelDuringTheScriptRunsTheRest(t *testing.T) {
	g := newRig(t, map[string][]act{"build_script": {{Wait: true, Exit: 2}}})
	j := g.Start(t.Context(), small())
	g.log.await(t, "ready")
	j.Cancel()
	j.Cancel()
	res := g.wait(j)
	g.expect(res, Canceled, 0, "canceled")
	g.expectCalls(upToScript + "after_script cleanup_file_variables cleanup")
	if got := g.last("after_script").env("CUSTOM_ENV_CI_JOB_STATUS"); got != "canceled" {
		t.Errorf("after_script is told %q", got)
	}
	if res.FailureReason != reasonCanceled {
		t.Errorf("reason is %q", res.FailureReason)
	}
	inOrder(t, g.log.String(), "terminated", "WARNING: script canceled externally", "Running after_script", "ERROR: Job failed: canceled")
}

func TestCancelDuringPrepareCleansUp(t *testing.T) {
	g := newRig(t, map[string][]act{"prepare": {{Wait: true, Exit: 2}}})
	j := g.Start(t.Context(), small())
	g.log.await(t, "ready")
	j.Cancel()
	g.expect(g.wait(j), Canceled, 0, "canceled")
	g.expectCalls("config prepare cleanup")
}

func TestCancelAfterTheScriptDoesNothing(t *testing.T) {
	g := newRig(t, nil)
	var j *Job
	started := make(chan struct{})
	g.OnHook = func(h Hook) {
		if h.Stage == stageCleanup {
			<-started
			j.Cancel()
		}
	}
	j = g.Start(t.Context(), small())
	close(started)
	g.expect(g.wait(j), Success, 0, "")
}

func TestTheTimeoutEndsTheStages(t *testing.T) {
	g := newRig(t, map[string][]act{"build_script": {{Wait: true, Exit: 2}}})
	p := small()
	p.RunnerInfo.Timeout = 3 // whole seconds, and four hooks must have run
	res := g.run(p)
	g.expect(res, TimedOut, 0, "execution took longer than 3s seconds")
	g.expectCalls(upToScript + "cleanup")
	if got := g.last("cleanup").env("CUSTOM_ENV_CI_JOB_STATUS"); got != "failed" {
		t.Errorf("cleanup is told %q", got)
	}
	if res.FailureReason != reasonTimeout {
		t.Errorf("reason is %q", res.FailureReason)
	}
}

func TestTheScriptsOwnTimeoutLeavesTimeForTheRest(t *testing.T) {
	g := newRig(t, map[string][]act{"build_script": {{Wait: true, Exit: 2}}})
	p := small()
	p.Variables = []Variable{{Key: "RUNNER_SCRIPT_TIMEOUT", Value: "1ms"}}
	res := g.run(p)
	if res.State != TimedOut {
		t.Errorf("result is %s, %v", res.State, res.Err)
	}
	if got := g.last("after_script").env("CUSTOM_ENV_CI_JOB_STATUS"); got != "timedout" {
		t.Errorf("after_script is told %q", got)
	}
}

func TestAShutdownOfTheRunnerStillCleansUp(t *testing.T) {
	for name, calls := range map[string]string{
		"prepare":      "config prepare cleanup",
		"build_script": upToScript + "cleanup",
	} {
		g := newRig(t, map[string][]act{name: {{Wait: true, Exit: 2}}})
		ctx, cancel := context.WithCancel(t.Context())
		j := g.Start(ctx, small())
		g.log.await(t, "ready")
		cancel()
		res := g.wait(j)
		g.expect(res, SystemFailure, 0, "aborted: interrupt")
		g.expectCalls(calls)
		if res.FailureReason != reasonInterrupted {
			t.Errorf("reason is %q", res.FailureReason)
		}
	}
}

func TestADeafHookIsKilledAfterItsGrace(t *testing.T) {
	g := newRig(t, map[string][]act{"build_script": {{Ignore: true}}})
	g.GracefulKillTimeout = 500 * time.Millisecond
	j := g.Start(t.Context(), small())
	g.log.await(t, "ready")
	j.Cancel()
	g.log.await(t, "deaf") // SIGTERM came first
	res := g.wait(j)
	g.expect(res, Canceled, 0, "canceled")
	script := slices.IndexFunc(res.Phases, func(p Phase) bool { return p.Name == "build_script" })
	if script < 0 || res.Phases[script].ExitCode != -1 {
		t.Errorf("phases are %+v", res.Phases)
	}
}

func TestCleanupStartsWhileADeafStageIsAlive(t *testing.T) {
	g := newRig(t, map[string][]act{"build_script": {{Ignore: true}}})
	g.GracefulKillTimeout = time.Hour
	g.StageWait = 10 * time.Millisecond
	pid, alive := 0, false
	g.OnHook = func(h Hook) {
		switch {
		case h.Stage == "build_script":
			pid = h.PID
		case h.Kind == Cleanup:
			alive = syscall.Kill(pid, 0) == nil
			_ = syscall.Kill(-pid, syscall.SIGKILL)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	j := g.Start(ctx, small())
	g.log.await(t, "ready")
	cancel()
	g.expect(g.wait(j), SystemFailure, 0, "aborted: interrupt")
	if !alive {
		t.Error("the stage was over when cleanup began")
	}
	inOrder(t, g.log.String(), "Timed out waiting for the build to finish")
}

func TestAHookKilledFromOutsideIsASystemFailure(t *testing.T) {
	g := newRig(t, map[string][]act{"prepare": {{Wait: true}}})
	g.OnHook = func(h Hook) {
		if h.Kind == Prepare {
			_ = syscall.Kill(-h.PID, syscall.SIGKILL)
		}
	}
	res := g.run(small())
	g.expect(res, SystemFailure, 0, "unknown Custom executor executable exit code -1; executable execution terminated with: signal: killed")
	if res.Attempts != 3 {
		t.Errorf("attempts are %d", res.Attempts)
	}
}

// fifo makes the pipe that the fake driver's child waits for.
func fifo(t *testing.T, g *rig) (release func()) {
	t.Helper()
	path := filepath.Join(g.dir, "child.fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return func() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0) // waits for the child
		if err != nil {
			t.Error(err)
			return
		}
		_ = f.Close()
	}
}

func TestAChildThatHoldsTheOutputHoldsTheCall(t *testing.T) {
	g := newRig(t, map[string][]act{"build_script": {{Child: true}}})
	release := fifo(t, g)
	j := g.Start(t.Context(), small())
	release()
	g.expect(g.wait(j), Success, 0, "")
	inOrder(t, g.log.String(), "last words", "Running after_script")
}

func TestAChildThatNoSignalReachesIsGivenUp(t *testing.T) {
	g := newRig(t, map[string][]act{"prepare": {{Child: true}}})
	release := fifo(t, g)
	g.GracefulKillTimeout, g.ForceKillTimeout = time.Millisecond, time.Millisecond
	j := g.Start(t.Context(), small())
	g.log.await(t, "holding")
	j.Cancel()
	res := g.wait(j)
	release()
	if res.State != Canceled {
		t.Errorf("result is %s, %v", res.State, res.Err)
	}
	if !strings.HasSuffix(g.calls(), "cleanup") {
		t.Errorf("calls are %s", g.calls())
	}
}
