package executor

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitlab-dind-executor/driver/owner"
	"gitlab-dind-executor/executor/joblog"
	"gitlab-dind-executor/executor/payload"
)

// The kernel hands a hook of a killed Runner to init. As an owner, init would keep a
// sandbox forever.
func TestAHookWhoseRunnerDiedMakesNothing(t *testing.T) {
	response := filepath.Join(t.TempDir(), "payload.json")
	if err := os.WriteFile(response, []byte(`{"id": 7, "job_info": {"project_id": 42, "instance_uuid": "0a1b"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	runner, err := owner.CallingRunner()
	if err != nil {
		t.Fatal(err)
	}
	runner.PID++
	c := &call{env: payload.Environment{envPayload: response, envOwner: runner.String()}, log: &joblog.Log{Out: io.Discard}}
	if err := c.prepareHook(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("error %v", err)
	}
}
