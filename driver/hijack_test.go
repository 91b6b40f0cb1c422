package driver

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"gitlab-dind-executor/driver/owner"
	"gitlab-dind-executor/test/ends"
	"gitlab-dind-executor/test/fakeengine"
)

func TestAStageEndsWhenTheEngineDoesNotAttach(t *testing.T) {
	t.Parallel()
	p := testPlan(t)
	e, d := fakeHost(t, p)
	d.eng.CreateBound = 200 * time.Millisecond
	d.bounds.EndWait = 200 * time.Millisecond
	if _, err := d.Prepare(t.Context(), p, quiet); err != nil {
		t.Fatal(err)
	}
	e.Always("POST /containers/{id}/attach", fakeengine.Hang())
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	var err error
	ends.ByItself(t, func() { _, err = d.RunHelper(ctx, p.Claim.Job, nil, []byte("true"), &bytes.Buffer{}) })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func TestAProcessThatHasEndedIsDeadThoughNobodyAskedAfterIt(t *testing.T) {
	child := exec.Command("true")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = child.Wait() }()
	deadline := time.Now().Add(10 * time.Second)
	for {
		_, _, err := owner.ProcessStat(child.Process.Pid)
		if errors.Is(err, os.ErrNotExist) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("a zombie counts as alive: %v", err)
		}
		time.Sleep(time.Millisecond)
	}
}
