package removal

import (
	"context"
	"time"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/group"
)

// killed is the signal attribute of the engine's event for SIGKILL.
const killed = "9"

// Kill sends SIGKILL to every running container of a sandbox. Kill returns once the engine has
// sent the signals, because the kernel ends a container's other processes with the first. The
// engine's own answer comes a quarter of a second later: the engine waits until a container has
// let go of files and network. The wait ends after bounds.EndWait. A later removal deals with
// containers still alive then.
func (r *Remover) Kill(ctx context.Context, s *engine.Objects) {
	ctx, cancel := context.WithTimeout(ctx, r.bounds.EndWait)
	var g group.Group
	defer func() {
		cancel()
		_ = g.Wait()
	}()
	var running []string
	for _, c := range s.Containers {
		if c.Running {
			running = append(running, c.Ref)
		}
	}
	if len(running) == 0 {
		return
	}
	sent := make(chan string)
	tell := func(id string) {
		select {
		case sent <- id:
		case <-ctx.Done():
		}
	}
	since := time.Now()
	g.Go(func() error {
		r.eng.Events(ctx, label.Sandbox+"="+s.Sandbox, since, func(e engine.Event) {
			if e.Action == engine.HasDied || e.Action == engine.WasSignalled && e.Attributes["signal"] == killed {
				tell(e.Container)
			}
		})
		return nil
	})
	for _, id := range running {
		g.Go(func() error {
			_ = r.eng.Kill(ctx, id, "KILL") // a container that has ended is fine; the removal reports faults
			tell(id)
			return nil
		})
	}
	left := map[string]bool{}
	for _, id := range running {
		left[id] = true
	}
	for len(left) > 0 {
		select {
		case id := <-sent:
			delete(left, id)
		case <-ctx.Done():
			return
		}
	}
}
