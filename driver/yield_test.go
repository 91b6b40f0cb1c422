package driver

import (
	"context"
	"net/http"
	"testing"
	"time"

	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/test/ends"
	"gitlab-dind-executor/test/fakeengine"
)

func TestWhatIsMadeAheadWaitsForJobsThatBegin(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		// until ends the wait; nil leaves the end to the bound.
		until func(y *yielding, done func(), cancel func())
		bound time.Duration
	}{
		"until their scripts run":    {func(_ *yielding, done, _ func()) { done() }, time.Hour},
		"until a job has taken it":   {func(y *yielding, _, _ func()) { close(y.taken) }, time.Hour},
		"until nobody wants it":      {func(_ *yielding, _, cancel func()) { cancel() }, time.Hour},
		"but not for longer than so": {nil, 50 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, d := fakeHost(t, nil)
			d.bounds.Yield = c.bound
			done := d.Begins()
			t.Cleanup(done)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			y := d.yielding()
			ended := make(chan time.Duration, 1)
			began := time.Now()
			go func() {
				y.yield(ctx)
				ended <- time.Since(began)
			}()
			if c.until != nil {
				select {
				case <-ended:
					t.Fatal("it did not wait")
				case <-time.After(3 * yieldGap):
				}
				c.until(y, done, cancel)
			}
			took := ends.Await(t, ended, "the end of the wait")
			if c.until == nil && took < c.bound {
				t.Errorf("it waited %s of %s", took, c.bound)
			}
			if c.until == nil && y.left > 0 {
				t.Errorf("%s are left", y.left)
			}
		})
	}
}

func TestWhereNoJobBeginsNothingWaits(t *testing.T) {
	t.Parallel()
	_, d := fakeHost(t, nil)
	y := d.yielding()
	y.yield(t.Context())
	if y.left != d.bounds.Yield {
		t.Errorf("it waited %s", d.bounds.Yield-y.left)
	}
}

// An event of the job's container shows that its script has arrived.
func TestASandboxIsMadeBehindTheBeginningOfItsJob(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tells bool
		bound time.Duration
	}{"when that has begun": {true, time.Hour}, "or has not for long": {false, 100 * time.Millisecond}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, d := fakeHost(t, nil)
			d.bounds.Beginning = c.bound
			asked, tell := make(chan struct{}), make(chan struct{})
			e.Script("GET /events", func(e *fakeengine.Engine, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
				close(asked)
				select {
				case <-tell:
					_, _ = w.Write([]byte(`{"Type":"container","Action":"attach","Actor":{"ID":"x"}}` + "\n"))
					_ = http.NewResponseController(w).Flush()
				case <-r.Context().Done():
				}
				next(w, r)
			})
			let := make(chan struct{})
			go func() {
				defer close(let)
				d.LetBegin(t.Context(), &plan.Plan{Sidecar: plan.Sidecar{TLS: &plan.TLS{}}, Pool: plan.Pool{Size: 1, Behind: "gitlab.example.com/7"}})
			}()
			ends.Await(t, asked, "the question for events")
			if c.tells {
				if !d.locks.Shared(beginning) {
					t.Error("others are not told that the job begins")
				}
				close(tell)
			}
			ends.Await(t, let, "the end of the wait")
			if d.locks.Shared(beginning) {
				t.Error("others are told still that the job begins")
			}
		})
	}
}

func TestWhetherOneMoreSandboxIsWanted(t *testing.T) {
	at := func(spec string, age time.Duration) *ahead {
		return &ahead{spec: spec, sidecar: "s", helper: "h", created: noon.Add(-age), until: noon.Add(time.Hour)}
	}
	gone := &ahead{spec: "ours", created: noon.Add(-time.Hour)}
	for name, c := range map[string]struct {
		all          []*ahead
		size         int
		layers       bool
		full, wanted bool
	}{
		"none waits":                             {nil, 1, true, false, true},
		"there is room":                          {[]*ahead{at("ours", time.Minute)}, 2, true, false, true},
		"one of its kind waits":                  {[]*ahead{at("ours", time.Hour)}, 1, true, true, false},
		"one has ended":                          {[]*ahead{gone}, 1, true, false, true},
		"another kind waits":                     {[]*ahead{at("other", time.Second)}, 1, false, true, true},
		"another project's waits, a new one":     {[]*ahead{at("other", time.Minute)}, 1, true, true, false},
		"another project's waits for long":       {[]*ahead{at("other", stays), at("third", time.Second)}, 2, true, true, true},
		"another's is new, and one is long gone": {[]*ahead{gone, at("other", time.Second)}, 1, true, true, false},
	} {
		p := &plan.Plan{Spec: "ours", Sidecar: plan.Sidecar{Layers: c.layers}, Pool: plan.Pool{Size: c.size}}
		if full, wanted := demand(c.all, p, noon); full != c.full || wanted != c.wanted {
			t.Errorf("%s: full is %t, wanted %t", name, full, wanted)
		}
	}
}

// Sandboxes that Fill would remove, such as those with an older image, count until then.
func TestAFullPoolIsLookedAtBehindAJobThatBegins(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pool plan.Pool
		want bool
	}{
		"behind one that begins":    {plan.Pool{Size: 1, Behind: "gitlab.example.com/7"}, true},
		"behind one that has ended": {plan.Pool{Size: 1, AfterJob: true}, false},
	} {
		p := pooledPlan(t)
		e, d := pooledHost(t, p)
		d.bounds.Beginning, d.bounds.NextJob = 20*time.Millisecond, time.Millisecond
		if _, err := d.makeAhead(t.Context(), p.Ahead().In("bbbbbbbbbbbb"), d.yielding(), func() {}); err != nil {
			t.Fatal(err)
		}
		asked := p.Ahead()
		asked.Pool.Behind, asked.Pool.AfterJob = c.pool.Behind, c.pool.AfterJob
		if got := d.LetBegin(t.Context(), asked); got != c.want {
			t.Errorf("%s: wanted is %t, there are %q", name, got, e.Objects())
		}
	}
}
