package payload

import (
	"strings"
	"testing"
)

// A process that outlives a hook has the host's environment and nothing of the job's.
func TestWhatOutlivesAHookKnowsNothingOfTheJob(t *testing.T) {
	env := NewEnvironment([]string{"PATH=/bin", "DOCKER_HOST=tcp://x", "CUSTOM_ENV_TOKEN=secret", "JOB_RESPONSE_FILE=/x", "TMPDIR=/x"})
	if got := strings.Join(env.OfHost(), " "); got != "DOCKER_HOST=tcp://x PATH=/bin" {
		t.Errorf("got %s", got)
	}
}
