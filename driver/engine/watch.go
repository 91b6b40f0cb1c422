package engine

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
)

// Action is a kind of event of a container.
type Action string

// Actions of a container, as the engine reports them.
const (
	// RanOutOfMemory: the kernel has killed a process in the container for lack of memory.
	RanOutOfMemory Action = Action(events.ActionOOM)
	// WasStarted: the container has started.
	WasStarted Action = Action(events.ActionStart)
	// WasSignalled: the engine has sent a signal for somebody.
	WasSignalled Action = Action(events.ActionKill)
	// WasStopped: the engine has stopped the container for somebody.
	WasStopped Action = Action(events.ActionStop)
	// HasDied: the container's first process has ended.
	HasDied Action = Action(events.ActionDie)
	// WasAttached: somebody has attached to the container's stdin or output.
	WasAttached Action = Action(events.ActionAttach)
	// WasRemoved: the container is gone.
	WasRemoved Action = Action(events.ActionDestroy)
)

// Event is an event of a container.
type Event struct {
	Action Action
	// Container is the container's id.
	Container string
	// Attributes are the container's labels and details of the event, as in signal.
	Attributes map[string]string
}

// Events passes on the events of containers with a label, key=value, from a moment on. Events
// returns when ctx ends, or when the engine's stream breaks.
func (e *Engine) Events(ctx context.Context, label string, since time.Time, pass func(Event)) {
	e.events(ctx, []string{label}, []Action{RanOutOfMemory, WasStarted, WasSignalled, WasStopped, HasDied}, since, pass)
}

// AwaitAny waits for one of the actions, from a moment on. The action must happen to a container
// with all of the labels, each a key or key=value. AwaitAny also returns when ctx ends, or when
// the engine's stream breaks.
func (e *Engine) AwaitAny(ctx context.Context, labels []string, since time.Time, actions ...Action) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	e.events(ctx, labels, actions, since, func(Event) { cancel() })
}

func (e *Engine) events(ctx context.Context, labels []string, actions []Action, since time.Time, pass func(Event)) {
	f := e.labelled(labels)
	f.Add("type", string(events.ContainerEventType))
	for _, action := range actions {
		f.Add("event", string(action))
	}
	messages, errs := e.api.Events(ctx, events.ListOptions{Filters: f, Since: since.Format(time.RFC3339Nano)})
	for {
		select {
		case m := <-messages:
			pass(Event{Action(m.Action), m.Actor.ID, m.Actor.Attributes})
		case <-errs:
			return
		}
	}
}

// Used is the consumption of a container.
type Used struct {
	Read time.Time
	// CPU is the time of all processors together, in nanoseconds.
	CPU uint64
	// Memory is in bytes, without file cache that the kernel could drop.
	Memory int64
	// Received and Written are bytes: from networks, to disk.
	Received, Written uint64
}

// Used reads a container's consumption once, without the engine's usual wait for a second
// reading.
func (e *Engine) Used(ctx context.Context, id string) (Used, error) {
	s, err := e.api.ContainerStatsOneShot(ctx, id)
	if err != nil {
		return Used{}, err
	}
	defer s.Body.Close()
	var stats container.StatsResponse
	if err := json.NewDecoder(io.LimitReader(s.Body, 1<<20)).Decode(&stats); err != nil {
		return Used{}, err
	}
	used := Used{Read: stats.Read, CPU: stats.CPUStats.CPUUsage.TotalUsage, Memory: InUse(stats.MemoryStats)}
	for _, n := range stats.Networks {
		used.Received += n.RxBytes
	}
	for _, b := range stats.BlkioStats.IoServiceBytesRecursive {
		if strings.EqualFold(b.Op, "write") {
			used.Written += b.Value
		}
	}
	return used, nil
}

// InUse is the memory in bytes without file cache that the kernel could drop, as docker stats
// shows it. The kernel's name for the cache differs by version of cgroups. InUse is this
// project's only measure of memory: the kernel's own peak includes the cache.
func InUse(m container.MemoryStats) int64 {
	used := m.Usage
	for _, key := range []string{"total_inactive_file", "inactive_file"} {
		if files, ok := m.Stats[key]; ok {
			used -= min(files, used)
			break
		}
	}
	return int64(used)
}
