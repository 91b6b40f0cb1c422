package driver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/test/fakeengine"
)

func TestALogThatIsCutOffIsAnError(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text  []byte
		cut   func(r *http.Request)
		bound time.Duration
		want  error
	}{
		"by a bound":    {fakeengine.Frame("one\n"), func(r *http.Request) { <-r.Context().Done() }, 200 * time.Millisecond, context.DeadlineExceeded},
		"by the engine": {fakeengine.Frame("one\n")[:10], func(*http.Request) {}, time.Hour, io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			e, d := fakeHost(t, nil)
			sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
			e.Script("GET /containers/{id}/logs", func(_ *fakeengine.Engine, w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
				_, _ = w.Write(c.text)
				_ = http.NewResponseController(w).Flush()
				c.cut(r)
			})
			ctx, cancel := context.WithTimeout(t.Context(), c.bound)
			defer cancel()
			if err := d.Logs(ctx, "aaaaaaaaaaaa", looking.Part{Role: plan.RoleSidecar}, false, "all", io.Discard, io.Discard); !errors.Is(err, c.want) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// The reader of a log may stop before the end.
func TestALogThatNobodyReadsAnyMoreEnds(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
	e.Script("GET /containers/{id}/logs", func(_ *fakeengine.Engine, w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		_, _ = w.Write(fakeengine.Frame("one\n"))
	})
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r.Close()
	if err := d.Logs(t.Context(), "aaaaaaaaaaaa", looking.Part{Role: plan.RoleSidecar}, false, "all", w, w); err != nil {
		t.Errorf("the error is %v", err)
	}
}

func TestAShellThatDoesNotOpenIsGivenUp(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	d.bounds.Shell = 50 * time.Millisecond
	sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
	e.Script("POST /containers/{id}/exec", fakeengine.Hang())
	_, err := d.Shell(t.Context(), looking.Named{Sandbox: "aaaaaaaaaaaa", Job: testJob}, looking.Part{Role: plan.RoleSidecar}, looking.Terminal{})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v", err)
	}
}
