package looking

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"gitlab-dind-executor/driver/bounds"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/mirror"
	"gitlab-dind-executor/group"
)

const (
	// StatusAtOnce is the number of containers asked side by side.
	StatusAtOnce = 32
	// sampleGap is the pause between two samples of a container new to the Watcher.
	sampleGap = 500 * time.Millisecond
	// sizesEvery is the age up to which sizes serve again. Fresh sizes make the engine walk all
	// volumes.
	sizesEvery = 30 * time.Second
)

// Watcher keeps counts from one Status to the next. The zero value is ready. A Watcher is for one
// goroutine.
type Watcher struct {
	samples map[string]sample
	sizes   map[string]int64
	sizedAt time.Time
	noSizes string
}

// sample is the consumption of a container up to a moment.
type sample struct {
	read time.Time
	// cpu is the time of all processors together, in nanoseconds.
	cpu    uint64
	memory int64
	// cpus is the number of busy processors since the sample before; unknown below 0.
	cpus float64
}

// sample asks for the consumption of each container, twice if any container is new. The answer
// says in words what is missing.
func (w *Watcher) sample(ctx context.Context, l *Looker, found map[string]*engine.Objects) string {
	var running []string
	for _, s := range found {
		for _, c := range s.Containers {
			if c.Running {
				running = append(running, c.Ref)
			}
		}
	}
	before := w.samples
	again := false
	for _, id := range running {
		_, known := before[id]
		again = again || !known
	}
	if again {
		before, _ = l.samples(ctx, running) // the second round tells what is missing
		bounds.Pause(ctx, sampleGap)
	}
	var lost int
	w.samples, lost = l.samples(ctx, running)
	for id, s := range w.samples {
		s.cpus = s.since(before[id])
		w.samples[id] = s
	}
	if lost > 0 {
		return fmt.Sprintf("cpu and memory of %d containers: the engine did not tell in time", lost)
	}
	return ""
}

// since is the average number of busy processors between two samples.
func (s sample) since(before sample) float64 {
	gap := s.read.Sub(before.read)
	if before.read.IsZero() || gap <= 0 || s.cpu < before.cpu {
		return Unknown
	}
	return float64(s.cpu-before.cpu) / float64(gap)
}

// samples asks all containers side by side. lost counts containers without an answer. A container
// gone meanwhile does not count.
func (l *Looker) samples(ctx context.Context, ids []string) (found map[string]sample, lost int) {
	found = map[string]sample{}
	var mu sync.Mutex
	var g group.Group
	g.SetLimit(StatusAtOnce)
	for _, id := range ids {
		g.Go(func() error {
			s, err := l.sampleOf(ctx, id)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				found[id] = s
			case !engine.Gone(err):
				lost++
			}
			return nil
		})
	}
	_ = g.Wait() // faults are counted
	return found, lost
}

func (l *Looker) sampleOf(ctx context.Context, id string) (sample, error) {
	used, err := l.eng.Used(ctx, id)
	if err != nil {
		return sample{}, err
	}
	return sample{read: used.Read, cpu: used.CPU, memory: used.Memory, cpus: Unknown}, nil
}

// measure asks for the sizes of volumes and mirrors, unless the last sizes are fresh. The answer
// says in words what is missing.
func (w *Watcher) measure(ctx context.Context, l *Looker, now time.Time, mirrors []mirror.State, volumes bool) string {
	if !w.sizedAt.IsZero() && now.Sub(w.sizedAt) < sizesEvery {
		return w.noSizes
	}
	w.sizedAt, w.noSizes = now, ""
	found := map[string]int64{}
	var g group.Group
	stored := make([]mirror.State, len(mirrors))
	for i, m := range mirrors {
		g.Go(func() error {
			l.mirrors.Measure(ctx, &m)
			stored[i] = m
			return nil
		})
	}
	if volumes {
		sizes, err := l.eng.VolumeSizes(ctx)
		if err != nil {
			w.noSizes = "sizes on disk: " + l.eng.Explain("asking the engine", err).Error()
		}
		found = sizes
	}
	_ = g.Wait() // no function fails
	for _, m := range stored {
		found[m.Name] = m.Size
	}
	w.sizes = found
	return w.noSizes
}

// size is the size of a volume or a mirror in bytes; unknown below 0.
func (w *Watcher) size(name string) int64 {
	n, ok := w.sizes[name]
	if !ok {
		return Unknown
	}
	return n
}

// addTo adds up the consumption of a sandbox.
func (w *Watcher) addTo(st *SandboxStatus, s *engine.Objects) {
	for _, c := range s.Containers {
		if c.Running {
			used, ok := w.samples[c.Ref]
			if !ok {
				used = sample{cpus: Unknown, memory: Unknown}
			}
			st.CPUs, st.Memory = plus(st.CPUs, used.cpus), plus(st.Memory, used.memory)
		}
		// A cached data root does not have the sandbox's label.
		if volume := c.Labels[label.Data]; volume != "" {
			st.Disk = plus(st.Disk, w.size(volume))
		}
	}
	for _, v := range s.Volumes {
		st.Disk = plus(st.Disk, w.size(v.Name))
	}
}

// plus adds two numbers. With an unknown number the sum is unknown.
func plus[N int64 | float64](a, b N) N {
	if a < 0 || b < 0 {
		return Unknown
	}
	return a + b
}

// listens tells whether a sidecar's log says that its daemon listens. An unreadable log counts as
// listening.
func (l *Looker) listens(ctx context.Context, id string) bool {
	stream, err := l.eng.Log(ctx, id, engine.LogOptions{})
	if err != nil {
		return true
	}
	defer stream.Close()
	var log bytes.Buffer
	err = stream.CopyMost(&log, 1<<20)
	return strings.Contains(log.String(), saysListening) || err != nil || ctx.Err() != nil
}
