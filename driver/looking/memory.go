package looking

import (
	"context"
	"sync"

	"gitlab-dind-executor/driver/bounds"
	"gitlab-dind-executor/driver/engine"
)

// Memory watches the memory of a job's sidecar while a script runs. The kernel's own peak
// includes file cache that the kernel could drop, and after one pull is mostly such cache. So the
// watch looks again and again, with the measure of a status.
type Memory struct {
	stop context.CancelFunc
	work sync.WaitGroup
	most uint64
	last engine.Used
}

// WatchMemory looks every second until End. The first look comes after a second, so a script
// takes no longer. Failed looks are left out.
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
				sidecar = "" // a new sidecar may take its place: the layers were damaged
			}
		}
	})
	return m
}

// End ends the watch. The answer is the most memory seen at a look, in bytes; 0 without a look.
func (m *Memory) End() uint64 {
	m.stop()
	m.work.Wait()
	return m.most
}

// Last is the sidecar's traffic at the last look; 0 without a look. Call Last after End.
func (m *Memory) Last() Traffic { return Traffic{m.last.Received, m.last.Written} }

// Traffic counts bytes from the network and to disk.
type Traffic struct{ Received, Written uint64 }
