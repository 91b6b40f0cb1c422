package executor_test

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"gitlab-dind-executor/test/ends"
	"gitlab-dind-executor/test/fakeengine"
)

// A Runner gets SIGQUIT to end after its last job, and systemd may send the signal to all
// processes of the Runner's unit. The signal is no end for a hook.
func TestAHookOutlivesTheSignalOfAGracefulStop(t *testing.T) {
	e := fakeengine.New(t)
	reached := make(chan struct{})
	once := sync.OnceFunc(func() { close(reached) })
	e.Always("GET /_ping", func(e *fakeengine.Engine, w http.ResponseWriter, r *http.Request, usual http.HandlerFunc) {
		once()
		fakeengine.Hang()(e, w, r, usual)
	})
	payload := filepath.Join(t.TempDir(), "payload.json")
	if err := os.WriteFile(payload, []byte(`{"id": 7, "job_info": {"project_id": 42, "instance_uuid": "0a1b"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	hook := exec.CommandContext(t.Context(), os.Args[0], "prepare", "--settings", "/dev/null")
	hook.Env = []string{"DOCKER_HOST=" + e.Host, "JOB_RESPONSE_FILE=" + payload, "SYSTEM_FAILURE_EXIT_CODE=99", "HOME=" + t.TempDir()}
	hook.Stderr = &said
	if err := hook.Start(); err != nil {
		t.Fatal(err)
	}
	ends.Await(t, reached, "the hook to reach the engine")
	for _, s := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGTERM} {
		if err := hook.Process.Signal(s); err != nil {
			t.Error(err)
		}
	}
	_ = hook.Wait()
	if code := hook.ProcessState.ExitCode(); code != 99 || strings.Contains(said.String(), "goroutine") {
		t.Errorf("exit code %d, said %s", code, said.String())
	}
}
