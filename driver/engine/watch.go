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

// Action is what has happened to a container.
type Action string

// The actions that are watched.
const (
	// RanOutOfMemory says that the kernel has killed something in it.
	RanOutOfMemory Action = Action(events.ActionOOM)
	// WasStarted says that it runs.
	WasStarted Action = Action(events.ActionStart)
	// WasSignalled says that somebody had the engine send it a signal.
	WasSignalled Action = Action(events.ActionKill)
	// WasStopped says that somebody had the engine end it.
	WasStopped Action = Action(events.ActionStop)
	// HasDied says that its first process is gone.
	HasDied Action = Action(events.ActionDie)
	// WasAttached says that somebody has come to its stdin or its output.
	WasAttached Action = Action(events.ActionAttach)
	// WasRemoved says that it is gone.
	WasRemoved Action = Action(events.ActionDestroy)
)

// Event is something that has happened to a container.
type Event struct {
	Action Action
	// Container is its id.
	Container string
	// Attributes are its labels and what is known of the event, as in signal.
	Attributes map[string]string
}

// Events passes on what happens to the containers with a label, key=value, from a
// moment on. It returns when ctx ends, or the engine tells no more.
func (e *Engine) Events(ctx context.Context, label string, since time.Time, pass func(Event)) {
	e.events(ctx, []string{label}, []Action{RanOutOfMemory, WasStarted, WasSignalled, WasStopped, HasDied}, since, pass)
}

// AwaitAny returns when one of these things has happened to a container with all of the
// labels, each a key or key=value, from a moment on. It returns as well when ctx ends, or
// the engine tells no more.
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

// Used is what a container uses and has used.
type Used struct {
	Read time.Time
	// CPU is nanoseconds of processors' time, all together.
	CPU uint64
	// Memory cannot be had back by forgetting files, in bytes.
	Memory int64
	// Received and Written are bytes: from networks, to disk.
	Received, Written uint64
}

// Used is one look at what a container uses, without the engine's own wait.
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

// InUse is the memory that cannot be had back by forgetting files, as docker stats
// shows it: the kernel's name for those differs by version of cgroups. It is the one
// measure of memory in this project. The kernel's own peak has those files in it.
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
