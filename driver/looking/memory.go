package looking

import (
	"context"
	"sync"

	"gitlab-dind-executor/driver/bounds"
	"gitlab-dind-executor/driver/engine"
)

// Memory watches what a job's sidecar has in memory while a script runs. The kernel's
// own peak counts the files that it keeps and could forget, which after one pull is
// most of it; so this looks again and again, by the measure that a status shows.
type Memory struct {
	stop context.CancelFunc
	work sync.WaitGroup
	most uint64
	last engine.Used
}

// WatchMemory looks every second until End. It adds nothing to a script's time: the
// first look comes after a second. What cannot be seen is left out.
func (l *Looker) WatchMemory(ctx context.Context, job string) *Memory {
	ctx, stop := context.WithCancel(ctx)
	m := &Memory{stop: stop}
	m.work.Go(func() {
		sidecar := ""
		for bounds.Pause(ctx, l.bounds.MemoryEvery) {
			if sidecar == "" {
				if sidecar, _ = l.jobs.SidecarOf(ctx, job); sidecar == "" {
					continue
				}
			}
			if used, err := l.eng.Used(ctx, sidecar); err == nil {
				m.most, m.last = max(m.most, uint64(max(used.Memory, 0))), used
			} else {
				sidecar = "" // another may take its place: the layers were damaged
			}
		}
	})
	return m
}

// End ends the watch, and returns the most that was in use at a look, in bytes; 0 if
// there was none.
func (m *Memory) End() uint64 {
	m.stop()
	m.work.Wait()
	return m.most
}

// Last is the last look, in bytes that the sidecar had received and written; 0 if there
// was none. Call it behind End.
func (m *Memory) Last() Traffic { return Traffic{m.last.Received, m.last.Written} }

// Traffic are bytes from the network and to disk.
type Traffic struct{ Received, Written uint64 }
