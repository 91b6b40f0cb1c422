package driver

import (
	"bytes"
	"strings"
	"testing"

	"gitlab-dind-executor/driver/stages"
	"gitlab-dind-executor/test/ends"
)

func TestAStageEndsWhenTheEngineBreaksOffTheLog(t *testing.T) {
	t.Parallel()
	p := testPlan(t)
	_, d := fakeHost(t, p)
	if _, err := d.Prepare(t.Context(), p, quiet); err != nil {
		t.Fatal(err)
	}
	var err error
	ends.ByItself(t, func() {
		_, err = d.RunJob(t.Context(), p.Claim.Job, stages.Ways{First: true}, []byte("true"), nil, &bytes.Buffer{})
	})
	if err == nil || !strings.Contains(err.Error(), "broke off the job container's log") {
		t.Fatalf("error %v, want one about the log", err)
	}
}
