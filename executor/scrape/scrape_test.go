package scrape

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/executor/joblog"
	"gitlab-dind-executor/test/ends"
	"gitlab-dind-executor/test/fakeengine"
)

// served starts metrics serve on an engine, and returns its address.
func served(t *testing.T, e *fakeengine.Engine) string {
	t.Helper()
	s := config.Default()
	s.Engine.Host = e.Host
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &Metrics{settings: s, log: &joblog.Log{Out: io.Discard}, mirrorBytes: -1}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func TestAScrapeHasLessThanTheTimeThatPrometheusWaits(t *testing.T) {
	for said, want := range map[string]time.Duration{
		"5": 4 * time.Second, "0.5": 400 * time.Millisecond, "60": scrapeBound,
		"": scrapeBound, "0": scrapeBound, "-1": scrapeBound, "1e9": scrapeBound, "soon": scrapeBound,
	} {
		r := &http.Request{Header: http.Header{"X-Prometheus-Scrape-Timeout-Seconds": {said}}}
		if got := boundOf(r); got != want {
			t.Errorf("of %q it takes %s at most, want %s", said, got, want)
		}
	}
}

// Prometheus drops an answer that comes too late, and then nothing says that the engine
// hangs.
func TestAnEngineThatHangsIsToldBeforePrometheusGivesUp(t *testing.T) {
	e := fakeengine.New(t)
	e.Always("GET /containers/json", fakeengine.Hang())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+served(t, e)+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", "5")
	ends.ByItself(t, func() {
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		if b, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(b), "\ngitlab_dind_executor_engine_up 0\n") {
			t.Errorf("%v, %s", err, b)
		}
	})
}

// cachedLayers adds a volume with a project's cached layers, and returns its name.
func cachedLayers(e *fakeengine.Engine) string {
	const name = "dind-data-0123456789ab-0"
	e.AddVolume(name, map[string]string{
		"gitlab-dind-executor.scope": "gitlab.example.com/42", "gitlab-dind-executor.role": "data",
		"gitlab-dind-executor.created": time.Now().UTC().Format(time.RFC3339),
	})
	return name
}

// The engine walks its volumes for one caller at a time. Sizes that the engine refuses to
// measure stay as they were, and a scrape under way has its own numbers.
func TestSizesOfTheLastTimeStay(t *testing.T) {
	e := fakeengine.New(t)
	s := config.Default()
	s.Engine.Host = e.Host
	m := &Metrics{settings: s, log: &joblog.Log{Out: io.Discard}, mirrorBytes: -1}
	volume := cachedLayers(e)
	e.Fill(volume, 4096)
	m.Measure(t.Context())
	earlier := m.cacheBytes
	e.Script("GET /system/df", fakeengine.Refuse(http.StatusConflict, "a disk usage operation is already running"))
	m.Measure(t.Context())
	if diff := cmp.Diff(map[string]int64{"cache": 0, "layers": 4096}, m.cacheBytes); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	e.Fill(volume, 8192)
	m.Measure(t.Context())
	if m.cacheBytes["layers"] != 8192 || earlier["layers"] != 4096 {
		t.Errorf("now %v, in an earlier scrape %v", m.cacheBytes, earlier)
	}
}
