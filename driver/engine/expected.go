package engine

import (
	"context"
	"maps"
	"slices"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
)

// Expect tells of containers that whoever uses this connection has to do with, by id.
// Those that it creates are expected anyway. For what Expected answers the engine
// looks at these alone; for a label it looks at all that there are, other jobs' too.
func (e *Engine) Expect(ids ...string) {
	e.expecting.Lock()
	defer e.expecting.Unlock()
	if e.expected == nil {
		e.expected = map[string]bool{}
	}
	for _, id := range ids {
		e.expected[id] = true
	}
}

// forget is for a container that this connection has removed.
func (e *Engine) forget(id string) {
	e.expecting.Lock()
	defer e.expecting.Unlock()
	delete(e.expected, id)
}

// ExpectedIDs are all that are expected, in order.
func (e *Engine) ExpectedIDs() []string {
	e.expecting.Lock()
	defer e.expecting.Unlock()
	return slices.Sorted(maps.Keys(e.expected))
}

// Expected lists the expected containers that have all of the labels, each a key or
// key=value, in any state. Where none is expected it asks nobody.
func (e *Engine) Expected(ctx context.Context, labels ...string) ([]Container, error) {
	ids := e.ExpectedIDs()
	if len(ids) == 0 {
		return nil, nil
	}
	f := e.labelled(labels)
	for _, id := range ids {
		f.Add("id", id)
	}
	return e.containers(ctx, f)
}

func (e *Engine) containers(ctx context.Context, f filters.Args) ([]Container, error) {
	list, err := e.api.ContainerList(ctx, container.ListOptions{All: true, Filters: f})
	found := make([]Container, 0, len(list))
	for _, c := range list {
		found = append(found, containerOf(c))
	}
	return found, err
}
