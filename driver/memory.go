package driver

import (
	"context"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"

	"gitlab-dind-executor/driver/plan"
)

// oomWait is how long after a failed stage the engine may take to tell of what
// the kernel killed. It is waited for only where a container has a limit.
const oomWait = 300 * time.Millisecond

// OutOfMemory is a container of a job in which something was killed for lack of
// memory.
type OutOfMemory struct {
	Role plan.Role
	// Name is what the job calls it: a service's image.
	Name string
	// Limit is in bytes; 0 when it has none of its own.
	Limit int64
}

// MemoryWatch notices what the kernel kills while a stage runs. It is the
// engine's event that tells, on cgroup v1 and v2: a container's state tells of
// its first process only, and a build in the sidecar is none.
type MemoryWatch struct {
	d      *Driver
	job    string
	events <-chan events.Message
	stop   context.CancelFunc
}

// WatchMemory watches the job's containers until End is called. It adds nothing
// to a stage's time, and what it cannot see it does not tell.
func (d *Driver) WatchMemory(ctx context.Context, job string) *MemoryWatch {
	ctx, stop := context.WithCancel(ctx)
	w := &MemoryWatch{d: d, job: job, stop: stop}
	found := make(chan events.Message, 16)
	w.events = found
	since := time.Now()
	go func() {
		defer close(found)
		_, sandbox, err := d.jobContainer(ctx, job)
		if err != nil {
			return // the stage itself tells
		}
		f := labelled(labelSandbox + "=" + sandbox)
		f.Add("type", string(events.ContainerEventType))
		f.Add("event", string(events.ActionOOM))
		// Since, for what happens before the engine has heard of us.
		messages, errs := d.api.Events(ctx, events.ListOptions{Filters: f, Since: since.Format(time.RFC3339Nano)})
		for {
			select {
			case m := <-messages:
				select {
				case found <- m:
				default: // sixteen are enough to know
				}
			case <-errs:
				return
			}
		}
	}()
	return w
}

// End ends the watch. After a failed stage it returns the containers that ran
// out of memory, each once.
func (w *MemoryWatch) End(ctx context.Context, failed bool) []OutOfMemory {
	defer w.stop()
	if !failed || ctx.Err() != nil {
		return nil
	}
	list, err := w.d.limited(ctx, w.job)
	if err != nil {
		return nil
	}
	wait := time.NewTimer(oomWait)
	defer wait.Stop()
	hasLimit := false
	for _, o := range list {
		hasLimit = hasLimit || o.Limit > 0
	}
	if !hasLimit {
		wait.Reset(0)
	}
	hit := map[string]bool{}
	for len(hit) == 0 {
		select {
		case m, open := <-w.events:
			if !open {
				return nil
			}
			hit[m.Actor.ID] = true
			continue
		case <-wait.C:
		case <-ctx.Done():
		}
		break
	}
	var killed []OutOfMemory
	for id, o := range list {
		if hit[id] {
			killed = append(killed, o)
		}
	}
	return killed
}

// limited finds a job's containers with the limits of their memory, by id.
func (d *Driver) limited(ctx context.Context, job string) (map[string]OutOfMemory, error) {
	_, sandbox, err := d.jobContainer(ctx, job)
	if err != nil {
		return nil, err
	}
	list, err := d.api.ContainerList(ctx, container.ListOptions{All: true, Filters: labelled(labelSandbox + "=" + sandbox)})
	if err != nil {
		return nil, d.explain("looking for the job's containers", err)
	}
	found := map[string]OutOfMemory{}
	for _, s := range list {
		c, err := d.inspect(ctx, s.ID)
		if err != nil || c.ContainerJSONBase == nil || c.HostConfig == nil || c.Config == nil {
			continue // it is going
		}
		found[s.ID] = OutOfMemory{Role: plan.Role(s.Labels[labelRole]), Name: c.Config.Image, Limit: c.HostConfig.Memory}
	}
	return found, nil
}
