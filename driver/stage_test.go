package driver

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"
)

func TestAStageEndsWhenTheEngineBreaksOffTheLog(t *testing.T) {
	p := testPlan(t)
	_, d := fakeHost(t, p)
	if _, err := d.Prepare(t.Context(), p, quiet); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := d.RunJob(ctx, p.Claim.Job, true, []byte("true"), nil, &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "broke off the job container's log") {
		t.Fatalf("error %v, want one about the log", err)
	}
}
