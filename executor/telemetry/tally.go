package telemetry

import (
	"slices"
	"time"
)

// Hooks and Commands are the calls with lines in the operator's log.
var (
	Hooks    = []string{"config", "prepare", "run", "cleanup"}
	Commands = []string{"settle", "finish", "gc", "drain", "pool fill", "pool drain", "mirror start", "mirror remove", "prepull", "seed", "seed remove"}
)

// The ends of a job, as this program sees them. A repeated attempt at prepare is a job of
// its own.
const (
	SystemFailure = "system_failure"
	Canceled      = "canceled" // GitLab's spelling
	Unknown       = "unknown"
)

var (
	jobResults = []string{Success, Failed, SystemFailure, Canceled, Unknown}
	origins    = []string{Cold, Layers, Warm}
	// buckets are in seconds. A warm daemon takes tenths; a daemon with images to pull
	// takes minutes.
	buckets = []float64{0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300}
)

// Tally holds the counts of the lines of the operator's log. The counts only grow, whatever
// becomes of the log.
type Tally struct {
	// Read is the reader's place in the log, Done the files before.
	Read position
	Done []string
	// Calls counts calls by command, result and class, Jobs counts jobs by result.
	Calls map[string]uint64
	Jobs  map[string]uint64
	// Prepare and Ready are by origin. Prepare holds the times of prepare, Ready the jobs'
	// waits for their docker daemon.
	Prepare, Ready map[string]*histogram

	Pulls, FailedPulls uint64
	PullSeconds        float64
	Swept, Made        uint64
	Evicted            uint64
	Freed              int64
	FailedRemovals     uint64
	PoolHits           uint64
	PoolMisses         uint64
	// LastGC is the end of the last gc without a fault.
	LastGC time.Time
	// Unreadable counts foreign and broken lines.
	Unreadable uint64
	// Open are jobs without an end so far.
	Open map[string]*openJob
}

// openJob holds the known facts of a job before its cleanup.
type openJob struct {
	Class     string
	Cancelled bool
	Origin    string
	Prepare   float64
	Seen      time.Time
}

// mostOpen bounds the jobs that never get an end.
const mostOpen = 4096

type histogram struct {
	// Counts has the count of each bucket alone; the last count is for larger values.
	Counts []uint64
	Sum    float64
}

func (h *histogram) observe(seconds float64) {
	i, _ := slices.BinarySearch(buckets, seconds)
	h.Counts[i]++
	h.Sum += seconds
}

// newTally returns a tally with all counters at 0. Prometheus sees a counter's first
// increase only after a 0.
func newTally() *Tally {
	t := &Tally{Calls: map[string]uint64{}, Jobs: map[string]uint64{}, Prepare: map[string]*histogram{}, Ready: map[string]*histogram{}}
	return t.complete()
}

// complete adds counters that an older version did not have.
func (t *Tally) complete() *Tally {
	for _, name := range slices.Concat(Hooks, Commands) {
		for _, c := range []callKind{{name, Success, ""}, {name, Failed, OfJob}, {name, Failed, OfSystem}, {name, Cancelled, ""}} {
			t.Calls[c.key()] += 0
		}
	}
	for _, r := range jobResults {
		t.Jobs[r] += 0
	}
	for _, m := range []map[string]*histogram{t.Prepare, t.Ready} {
		for _, o := range origins {
			if h := m[o]; h == nil || len(h.Counts) != len(buckets)+1 {
				m[o] = &histogram{Counts: make([]uint64, len(buckets)+1)}
			}
		}
	}
	if t.Open == nil {
		t.Open = map[string]*openJob{}
	}
	return t
}

// callKind is the key for counting calls.
type callKind struct{ command, result, class string }

func (c callKind) key() string { return c.command + "\x00" + c.result + "\x00" + c.class }

// add counts a line.
func (t *Tally) add(r Record) {
	if !slices.Contains(Hooks, r.Hook) && !slices.Contains(Commands, r.Command) {
		t.Unreadable++
		return
	}
	kind := callKind{r.Hook + r.Command, r.Result, r.Class}
	if _, known := t.Calls[kind.key()]; !known {
		t.Unreadable++
		return
	}
	t.Calls[kind.key()]++
	t.Pulls += count(r.Pulls)
	t.FailedPulls += count(r.FailedPulls)
	t.PullSeconds += max(0, r.PullSeconds)
	t.Swept += count(r.Swept)
	t.Made += count(r.Made)
	t.Evicted += count(r.Evicted)
	t.Freed += max(0, r.Freed)
	t.FailedRemovals += count(r.FailedRemovals)
	if r.Command == "gc" && r.Result == Success && r.Time.After(t.LastGC) {
		t.LastGC = r.Time
	}
	if r.Hook != "" && r.Job != "" {
		t.addHook(r)
	}
}

func (t *Tally) addHook(r Record) {
	job := t.Open[r.Job]
	if job == nil {
		if r.Hook == "cleanup" {
			return // a second cleanup, or a job that began before the log
		}
		job = &openJob{}
		t.Open[r.Job] = job
	}
	job.Seen = r.Time
	if r.Hook != "cleanup" { // the job ends before its cleanup, whose own end does not count
		job.Cancelled = job.Cancelled || r.Result == Cancelled
		if r.Class == OfSystem || job.Class == "" {
			job.Class = r.Class
		}
	}
	switch r.Hook {
	case "prepare":
		t.addPrepare(job, r)
	case "run":
		if h := t.Ready[job.Origin]; r.Awaited && h != nil {
			h.observe(job.Prepare + max(0, r.DaemonWait))
			job.Origin = "" // of several first scripts, the first waits
		}
	case "cleanup":
		t.Jobs[job.result(r.JobStatus)]++
		delete(t.Open, r.Job)
	}
	t.bound()
}

func (t *Tally) addPrepare(job *openJob, r Record) {
	h := t.Prepare[r.Origin]
	if r.Result != Success || h == nil {
		return
	}
	h.observe(max(0, r.Seconds))
	job.Origin, job.Prepare = r.Origin, max(0, r.Seconds-r.Phases["services"])
	if !r.Booting {
		t.Ready[r.Origin].observe(job.Prepare)
		job.Origin = ""
	}
	switch {
	case r.Pooled && r.Origin == Warm:
		t.PoolHits++
	case r.Pooled:
		t.PoolMisses++
	}
}

// result returns the end of a job. status is GitLab's word, if any.
func (j openJob) result(status string) string {
	switch {
	case status == Success, status == Canceled:
		return status
	case j.Class == OfSystem:
		return SystemFailure
	case j.Class == OfJob, status == Failed:
		return Failed
	case j.Cancelled:
		return Canceled
	}
	return Unknown
}

// bound forgets the jobs with the oldest last lines.
func (t *Tally) bound() {
	for len(t.Open) > mostOpen {
		oldest := ""
		for name, job := range t.Open {
			if oldest == "" || job.Seen.Before(t.Open[oldest].Seen) {
				oldest = name
			}
		}
		delete(t.Open, oldest)
	}
}

func count(n int) uint64 { return uint64(max(0, n)) }
