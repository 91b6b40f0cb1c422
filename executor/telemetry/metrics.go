package telemetry

import (
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Now is the present state of the engine. Negative numbers are unknown.
type Now struct {
	Version string
	// EngineUp tells whether the engine has answered for all fields below.
	EngineUp bool
	// Sandboxes counts sandboxes by state, in the words of `status`.
	Sandboxes map[string]int
	PoolSize  int
	// Caches and CacheBytes count by kind: "cache" and "layers".
	Caches        map[string]int
	CacheBytes    map[string]int64
	CacheMaxBytes int64
	MirrorEnabled bool
	MirrorUp      bool
	MirrorBytes   int64
	MirrorJobs    int
	// DiskFree is the free disk space for the engine's data, DiskRequired the space that a
	// job needs to begin. All are in bytes.
	DiskFree, DiskRequired     int64
	MemoryFree, MemoryRequired int64
}

const prefix = "gitlab_dind_executor_"

// descriptions holds all metrics by their names without the prefix. Hooks never need them.
var descriptions = sync.OnceValue(func() map[string]*prometheus.Desc {
	described := map[string]*prometheus.Desc{}
	for _, d := range []struct {
		name, help, labels string
	}{
		{"jobs_total", "Jobs that have ended, by result. Each attempt of GitLab Runner counts.", "result"},
		{"calls_total", "Calls of hooks and commands, by result and by the side at fault.", "command result class"},
		{"prepare_seconds", "Duration of prepare in seconds, by origin of the docker daemon.", "origin"},
		{"ready_seconds", "Seconds that jobs waited for their docker daemon: prepare, and the first script's wait.", "origin"},
		{"pulls_total", "Images that were fetched to the engine for jobs.", "result"},
		{"pull_seconds_total", "Duration of all pulls, in seconds.", ""},
		{"swept_sandboxes_total", "Removed sandboxes without a living owner.", ""},
		{"made_sandboxes_total", "Sandboxes that were made ahead of jobs.", ""},
		{"evicted_caches_total", "Caches and layers that were removed for age or size.", ""},
		{"evicted_bytes_total", "Bytes of removed caches and layers, as far as their sizes were known.", ""},
		{"failed_removals_total", "Failed tries of gc to remove a volume.", ""},
		{"pool_claims_total", "Jobs that looked for a waiting sandbox, by result: hit or miss.", "result"},
		{"last_gc_timestamp_seconds", "Unix time at which the last gc without a fault ended; 0 for never.", ""},
		{"unreadable_lines_total", "Lines of the operator's log that could not be read.", ""},
		{"build_info", "Always 1; the label version has the version of the program.", "version"},
		{"engine_up", "1 if the docker engine answers, else 0.", ""},
		{"sandboxes", "Present sandboxes, by state as in the command status.", "state"},
		{"pool_size", "Setting pool.size: sandboxes that shall wait.", ""},
		{"caches", "Number of caches and layers, by kind: cache, layers.", "kind"},
		{"cache_bytes", "Disk space used by caches and layers, in bytes.", "kind"},
		{"cache_max_bytes", "Setting cache.max_size, in bytes.", ""},
		{"mirror_enabled", "1 if the settings have a registry mirror, else 0.", ""},
		{"mirror_up", "1 if the registry mirror answers, else 0.", ""},
		{"mirror_bytes", "Disk space used by the registry mirror, in bytes.", ""},
		{"mirror_jobs", "Sandboxes that use the registry mirror.", ""},
		{"disk_free_bytes", "Free disk space of the docker engine, in bytes.", ""},
		{"disk_required_bytes", "Setting admission.min_free_disk, in bytes.", ""},
		{"memory_available_bytes", "Available memory of the host, in bytes.", ""},
		{"memory_required_bytes", "Setting admission.min_free_memory, in bytes.", ""},
	} {
		described[d.name] = prometheus.NewDesc(prefix+d.name, d.help, strings.Fields(d.labels), nil)
	}
	return described
})

// Metrics makes metrics of a tally and of the present state.
type Metrics struct {
	Tally *Tally
	Now   Now
}

// Describe is for Prometheus's library; the labels in use vary.
func (m Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range descriptions() {
		ch <- d
	}
}

// Collect is for Prometheus's library.
func (m Metrics) Collect(ch chan<- prometheus.Metric) {
	counter := func(name string, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(descriptions()[name], prometheus.CounterValue, value, labels...)
	}
	described, t := descriptions(), m.Tally
	for r, n := range t.Jobs {
		counter("jobs_total", float64(n), r)
	}
	for key, n := range t.Calls {
		if k := strings.Split(key, "\x00"); len(k) == 3 {
			counter("calls_total", float64(n), k...)
		}
	}
	for name, histograms := range map[string]map[string]*histogram{"prepare_seconds": t.Prepare, "ready_seconds": t.Ready} {
		for _, origin := range origins {
			ch <- histograms[origin].metric(described[name], origin)
		}
	}
	counter("pulls_total", float64(t.Pulls), Success)
	counter("pulls_total", float64(t.FailedPulls), Failed)
	counter("pull_seconds_total", t.PullSeconds)
	counter("swept_sandboxes_total", float64(t.Swept))
	counter("made_sandboxes_total", float64(t.Made))
	counter("evicted_caches_total", float64(t.Evicted))
	counter("evicted_bytes_total", float64(t.Freed))
	counter("failed_removals_total", float64(t.FailedRemovals))
	counter("pool_claims_total", float64(t.PoolHits), "hit")
	counter("pool_claims_total", float64(t.PoolMisses), "miss")
	counter("unreadable_lines_total", float64(t.Unreadable))
	m.Now.collect(ch)
	lastGC := 0.0
	if !t.LastGC.IsZero() {
		lastGC = float64(t.LastGC.UnixMilli()) / 1000
	}
	ch <- prometheus.MustNewConstMetric(described["last_gc_timestamp_seconds"], prometheus.GaugeValue, lastGC)
}

func (n Now) collect(ch chan<- prometheus.Metric) {
	gauge := func(name string, value float64, labels ...string) {
		if value >= 0 {
			ch <- prometheus.MustNewConstMetric(descriptions()[name], prometheus.GaugeValue, value, labels...)
		}
	}
	gauge("build_info", 1, n.Version)
	gauge("engine_up", truth(n.EngineUp))
	gauge("pool_size", float64(n.PoolSize))
	gauge("cache_max_bytes", float64(n.CacheMaxBytes))
	gauge("mirror_enabled", truth(n.MirrorEnabled))
	gauge("disk_required_bytes", float64(n.DiskRequired))
	gauge("memory_required_bytes", float64(n.MemoryRequired))
	if !n.EngineUp {
		return
	}
	for state, count := range n.Sandboxes {
		gauge("sandboxes", float64(count), state)
	}
	for kind, count := range n.Caches {
		gauge("caches", float64(count), kind)
	}
	for kind, bytes := range n.CacheBytes {
		gauge("cache_bytes", float64(bytes), kind)
	}
	gauge("mirror_up", truth(n.MirrorUp))
	gauge("mirror_bytes", float64(n.MirrorBytes))
	gauge("mirror_jobs", float64(n.MirrorJobs))
	gauge("disk_free_bytes", float64(n.DiskFree))
	gauge("memory_available_bytes", float64(n.MemoryFree))
}

// metric returns the cumulative buckets for Prometheus.
func (h *histogram) metric(d *prometheus.Desc, labels ...string) prometheus.Metric {
	var all uint64
	upTo := map[float64]uint64{}
	for i, bound := range buckets {
		all += h.Counts[i]
		upTo[bound] = all
	}
	all += h.Counts[len(buckets)]
	return prometheus.MustNewConstHistogram(d, all, h.Sum, upTo, labels...)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
