package stages

import (
	"context"
	"slices"
	"sync"
	"time"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
)

// oomWait bounds the wait for the engine's report of a kill for lack of memory, after a failed
// stage. Only a container with a limit makes the watch wait.
const oomWait = 300 * time.Millisecond

// endingWait bounds the wait for the engine's report of how an ended sidecar ended.
const endingWait = 300 * time.Millisecond

// OutOfMemory is a container of a job in which a process was killed for lack of memory.
type OutOfMemory struct {
	Role plan.Role
	// Name is the job's name for the container: a service's image.
	Name string
	// Limit is in bytes; 0 for a container without a limit of its own.
	Limit int64
}

// Watch notices events of a job's containers while a stage runs: kills by the kernel for lack of
// memory, and the end of the sidecar. The source is the engine's events. A container's state
// tells of memory for the first process only, and tells nothing of an end but a code.
type Watch struct {
	s    *Stages
	job  string
	stop context.CancelFunc
	// work is the reading of events, and everything started by an event.
	work sync.WaitGroup

	mu  sync.Mutex
	got []engine.Event
	// more is closed and replaced at each event. ended is true once no more events come.
	more  chan struct{}
	ended bool
}

// mostEvents bounds the number of events kept of a stage.
const mostEvents = 1000

// WatchStage watches the job's containers until Close is called. The watch adds nothing to a
// stage's time, and is silent about events that it cannot see.
func (s *Stages) WatchStage(ctx context.Context, job string) *Watch {
	ctx, stop := context.WithCancel(ctx)
	w := &Watch{s: s, job: job, stop: stop, more: make(chan struct{})}
	since := time.Now()
	w.work.Go(func() {
		defer w.note(nil)
		_, sandbox, err := s.jobs.JobContainer(ctx, job)
		if err != nil {
			return // the stage itself reports the error
		}
		// The start lies in the past, for events before the engine got this request.
		s.eng.Events(ctx, label.Sandbox+"="+sandbox, since, func(m engine.Event) {
			w.note(&m)
			if isSidecarsEnd(m) && m.Attributes[label.DataSize] != "" {
				w.work.Go(func() { s.substitute(ctx, sandbox) })
			}
		})
	})
	return w
}

// isSidecarsEnd tells whether an event is the end of a sidecar.
func isSidecarsEnd(m engine.Event) bool {
	return m.Action == engine.HasDied && m.Attributes[label.Role] == string(plan.RoleSidecar)
}

// Close ends the watch, and waits for its work.
func (w *Watch) Close() {
	w.stop()
	w.work.Wait()
}

// note takes an event; nil is the end of all events.
func (w *Watch) note(m *engine.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case m == nil:
		w.ended = true
	case len(w.got) < mostEvents:
		w.got = append(w.got, *m)
	}
	close(w.more)
	w.more = make(chan struct{})
}

// await waits until enough is true for the events so far, until bound has passed, or until no
// more can come. The answer is the events.
func (w *Watch) await(ctx context.Context, bound time.Duration, enough func([]engine.Event) bool) []engine.Event {
	wait := time.NewTimer(bound)
	defer wait.Stop()
	for over := false; ; {
		w.mu.Lock()
		got, more, ended := slices.Clone(w.got), w.more, w.ended
		w.mu.Unlock()
		if over || ended || enough(got) {
			return got
		}
		select {
		case <-more:
		case <-wait.C:
			over = true
		case <-ctx.Done():
			over = true
		}
	}
}

// OutOfMemory are, after a failed stage, the containers that ran out of memory, each once.
func (w *Watch) OutOfMemory(ctx context.Context) []OutOfMemory {
	if ctx.Err() != nil {
		return nil
	}
	list, err := w.s.limited(ctx, w.job)
	if err != nil {
		return nil
	}
	bound := time.Duration(0)
	for _, o := range list {
		if o.Limit > 0 {
			bound = oomWait
		}
	}
	isOOM := func(m engine.Event) bool { return m.Action == engine.RanOutOfMemory }
	got := w.await(ctx, bound, func(got []engine.Event) bool { return slices.ContainsFunc(got, isOOM) })
	var killed []OutOfMemory
	for id, o := range list {
		if slices.ContainsFunc(got, func(m engine.Event) bool { return isOOM(m) && m.Container == id }) {
			killed = append(killed, o)
		}
	}
	return killed
}

// SidecarEnding tells how the sidecar of a failed stage ended, if it ended.
func (w *Watch) SidecarEnding(ctx context.Context) Ending {
	died := func(got []engine.Event) bool {
		return slices.ContainsFunc(got, isSidecarsEnd)
	}
	return endingOf(w.await(ctx, endingWait, died))
}

// limited finds a job's containers with the limits of their memory, by id.
func (s *Stages) limited(ctx context.Context, job string) (map[string]OutOfMemory, error) {
	_, sandbox, err := s.jobs.JobContainer(ctx, job)
	if err != nil {
		return nil, err
	}
	list, err := s.eng.Containers(ctx, label.Sandbox+"="+sandbox)
	if err != nil {
		return nil, s.eng.Explain("looking for the job's containers", err)
	}
	found := map[string]OutOfMemory{}
	for _, one := range list {
		c, err := s.eng.Container(ctx, one.ID)
		if err != nil {
			continue // the container is going
		}
		found[one.ID] = OutOfMemory{Role: plan.Role(one.Labels[label.Role]), Name: label.ImageName(one.Labels, c.Image), Limit: c.MemoryLimit}
	}
	return found, nil
}
