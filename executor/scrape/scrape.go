package scrape

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/mirror"
	"gitlab-dind-executor/executor/access"
	"gitlab-dind-executor/executor/joblog"
	"gitlab-dind-executor/executor/telemetry"
	"gitlab-dind-executor/fault"
)

const (
	// scrapeBound is less than Prometheus's default wait of 10 s: a hanging engine needs a
	// report, too.
	scrapeBound = 8 * time.Second
	// longest bounds Prometheus's own statement of its wait, in seconds.
	longest = 60
	// scraperIdle bounds the idle time of a connection between two scrapes.
	scraperIdle = 5 * time.Minute
	// MeasureBound lets a slow engine walk its volumes, or answer the rest.
	MeasureBound = 2 * time.Minute
	// sizesEvery is the pause between two walks over all volumes for `metrics serve`.
	sizesEvery = 15 * time.Minute
)

// Metrics collects the metrics of one scrape after the other.
type Metrics struct {
	settings config.Settings
	log      *joblog.Log
	mu       sync.Mutex
	meter    telemetry.Meter
	// cacheBytes and mirrorBytes are from the last measurement.
	cacheBytes  map[string]int64
	mirrorBytes int64
	// silent tells whether the engine's fault has been reported.
	silent bool
}

// New returns the metrics for some settings, with the numbers of an operator's log. log
// gets the errors.
func New(s config.Settings, log *joblog.Log, l telemetry.Log) *Metrics {
	return &Metrics{settings: s, log: log, meter: telemetry.Meter{Log: l}, mirrorBytes: -1}
}

// Serve answers scrapes until ctx ends, and measures sizes from time to time.
func (m *Metrics) Serve(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), boundOf(r))
		defer cancel()
		registry, err := m.Registry(ctx)
		if err != nil {
			m.log.Fail(err)
			http.Error(w, "the metrics cannot be had: see the log of this process", http.StatusInternalServerError)
			return
		}
		promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	})
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: scrapeBound, WriteTimeout: 2 * scrapeBound, IdleTimeout: scraperIdle, MaxHeaderBytes: 64 << 10,
	}
	var measuring sync.WaitGroup
	defer measuring.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	measuring.Go(func() { m.keepMeasuring(ctx) })
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	bound, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := server.Shutdown(bound); err != nil {
		return server.Close()
	}
	return nil
}

// boundOf returns the bound on a scrape: most of Prometheus's wait.
func boundOf(r *http.Request) time.Duration {
	seconds, err := strconv.ParseFloat(r.Header.Get("X-Prometheus-Scrape-Timeout-Seconds"), 64)
	if err == nil && seconds > 0 && seconds <= longest {
		return min(scrapeBound, time.Duration(0.8*seconds*float64(time.Second)))
	}
	return scrapeBound
}

// Registry returns the present metrics. Scrapes come one after the other.
func (m *Metrics) Registry(ctx context.Context) (*prometheus.Registry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	tally, err := m.meter.Tally()
	if err != nil {
		return nil, fault.System(fmt.Errorf("reading the operator's log: %w", err), "run this as the user who runs the hooks, or as root")
	}
	r := prometheus.NewPedanticRegistry()
	return r, r.Register(telemetry.Metrics{Tally: tally, Now: m.now(ctx)})
}

// now asks the engine. An engine without an answer is a metric, too.
func (m *Metrics) now(ctx context.Context) telemetry.Now {
	s := m.settings
	n := telemetry.Now{
		Version: label.Version, PoolSize: s.Pool.Size, CacheMaxBytes: s.Cache.MaxSize.Bytes(), MirrorEnabled: s.Mirror.Enabled,
		DiskRequired: s.Admission.MinFreeDisk.Bytes(), MemoryRequired: s.Admission.MinFreeMemory.Bytes(), MirrorBytes: m.mirrorBytes, CacheBytes: m.cacheBytes,
	}
	err := m.ask(ctx, &n)
	n.EngineUp = err == nil
	if err != nil && !m.silent {
		m.log.Fail(err)
	}
	m.silent = err != nil
	return n
}

func (m *Metrics) ask(ctx context.Context, n *telemetry.Now) error {
	d, err := driver.Open(m.settings.Engine.Host)
	if err != nil {
		return err
	}
	defer d.Close()
	states, err := d.CountSandboxes(ctx, time.Now(), m.settings.PrepareBound())
	if err != nil {
		return err
	}
	n.Sandboxes = map[string]int{}
	for state, count := range states {
		n.Sandboxes[string(state)] = count
	}
	caches, layers, err := d.CountCached(ctx, false)
	if err != nil {
		return err
	}
	n.Caches = map[string]int{"cache": caches.Count, "layers": layers.Count}
	free, err := d.Free(ctx)
	if err != nil {
		return err
	}
	n.DiskFree, n.MemoryFree = free.Disk, free.Memory
	mirror, err := m.mirror(ctx, d)
	if err == nil && mirror != nil {
		n.MirrorUp, n.MirrorJobs = d.Answers(ctx, *mirror), mirror.Jobs
	}
	return err
}

// mirror returns the settings' mirror, or nil without one.
func (m *Metrics) mirror(ctx context.Context, d *driver.Driver) (*mirror.State, error) {
	if !m.settings.Mirror.Enabled {
		return nil, nil
	}
	wanted, err := access.Mirror(m.settings)
	if err != nil {
		return nil, nil // no job has one either
	}
	mirrors, err := d.Mirrors(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range mirrors {
		if s.Name == wanted.Name {
			return &s, nil
		}
	}
	return nil, nil
}

// keepMeasuring measures from time to time, beside the scrapes.
func (m *Metrics) keepMeasuring(ctx context.Context) {
	tick := time.NewTicker(sizesEvery)
	defer tick.Stop()
	for {
		bounded, cancel := context.WithTimeout(ctx, MeasureBound)
		m.Measure(bounded)
		cancel()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Measure asks for sizes, which cost the engine a walk over all volumes. After an error the
// earlier sizes stay: the next scrape reports the engine's fault.
func (m *Metrics) Measure(ctx context.Context) {
	d, err := driver.Open(m.settings.Engine.Host)
	if err != nil {
		return
	}
	defer d.Close()
	caches, layers, err := d.CountCached(ctx, true)
	size := int64(-1)
	if mirror, err := m.mirror(ctx, d); err == nil && mirror != nil {
		d.Measure(ctx, mirror)
		size = mirror.Size
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mirrorBytes = size
	if err != nil {
		return
	}
	sizes := map[string]int64{} // a scrape may still read the old ones
	maps.Copy(sizes, m.cacheBytes)
	for kind, bytes := range map[string]int64{"cache": caches.Bytes, "layers": layers.Bytes} {
		if bytes >= 0 {
			sizes[kind] = bytes
		}
	}
	m.cacheBytes = sizes
}

// Print writes metrics in Prometheus's text format.
func Print(w io.Writer, r prometheus.Gatherer) error {
	families, err := r.Gather()
	if err != nil {
		return fmt.Errorf("collecting metrics: %w", err)
	}
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(w, f); err != nil {
			return fmt.Errorf("writing metrics: %w", err)
		}
	}
	return nil
}
