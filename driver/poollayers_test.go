package driver

import (
	"context"
	"slices"
	"testing"
	"time"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
)

func room(context.Context) error { return nil }

// An empty sandbox would wait beside the layers, and keep the next job from them.
func TestOnlySandboxesWithLayersOfAJobAreMadeAheadWhereLayersAreCached(t *testing.T) {
	t.Parallel()
	p := layeredPlan(t, "aaaaaaaaaaaa")
	p.Pool = plan.Pool{Size: 2, MaxAge: time.Hour, Serves: time.Hour}
	e, d := fakeHost(t, p)
	ahead := p.Ahead()
	before := e.Objects()
	if made, err := d.Fill(t.Context(), ahead, room); made != 0 || err != nil || !slices.Equal(e.Objects(), before) {
		t.Fatalf("before the first job: made %d, %v, there are %q", made, err, e.Objects())
	}
	prepared(t, d, p)
	during := e.Objects()
	if made, err := d.Fill(t.Context(), ahead, room); made != 0 || err != nil || !slices.Equal(e.Objects(), during) {
		t.Fatalf("while a job has them: made %d, %v, there are %q", made, err, e.Objects())
	}
	if err := d.Cleanup(t.Context(), p.Claim.Job); err != nil {
		t.Fatal(err)
	}
	made, err := d.Fill(t.Context(), ahead, room)
	if made != 1 || err != nil {
		t.Fatalf("after the job: made %d, %v, there are %q", made, err, e.Objects())
	}
	roots := dataRootsOf(e)
	if len(roots) != 1 || stateOf(t, e, label.LeaseName(roots[0])) != "reused" {
		t.Errorf("there are %q", e.Objects())
	}
}

// A plan may come from a hook of an earlier version.
func TestNoSandboxWithoutTLSIsMadeAhead(t *testing.T) {
	t.Parallel()
	p := layeredPlan(t, "aaaaaaaaaaaa")
	p.Pool, p.Sidecar.Layers = plan.Pool{Size: 2, MaxAge: time.Hour, Serves: time.Hour}, false
	e, d := fakeHost(t, p)
	p.Sidecar.TLS = nil
	if made, err := d.Fill(t.Context(), p.Ahead(), room); made != 0 || err != nil || len(e.Objects()) != 0 {
		t.Errorf("made %d, %v, there are %q", made, err, e.Objects())
	}
}
