package engine

import (
	"context"
	"maps"
	"slices"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
)

// Expect names the containers of interest to this connection's user, by id. Containers created by
// this connection are expected without a call. Expected reads only these few, while a search by
// label makes the engine read all containers, other jobs' included.
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

// forget drops a container removed by this connection.
func (e *Engine) forget(id string) {
	e.expecting.Lock()
	defer e.expecting.Unlock()
	delete(e.expected, id)
}

// ExpectedIDs are the ids of all expected containers, in order.
func (e *Engine) ExpectedIDs() []string {
	e.expecting.Lock()
	defer e.expecting.Unlock()
	return slices.Sorted(maps.Keys(e.expected))
}

// Expected lists the expected containers with all of the labels, each a key or key=value, in any
// state. Without expected containers no request is sent.
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
