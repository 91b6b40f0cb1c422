package removal

import (
	"context"
	"time"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/group"
)

// killed is what the engine calls SIGKILL in its events.
const killed = "9"

// Kill sends SIGKILL to all that runs in a sandbox and returns when the engine has
// sent it: the kernel ends a container's other processes with its first. The engine's
// own answer takes a quarter of a second longer, since that waits until each container
// has let go of its files and its network. What cannot be killed in time is left to
// whoever removes it.
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
			_ = r.eng.Kill(ctx, id, "KILL") // not running any more is fine; the removal tells of faults
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
