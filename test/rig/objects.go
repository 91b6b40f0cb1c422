package rig

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
)

// Object is a container, network or volume on the engine.
type Object struct {
	Kind   string // "container", "network" or "volume"
	ID     string // of a volume: its name, as it has no other; of a network that the engine makes at each start: its name
	Name   string
	Detail string // for the reader: image and state, driver; not compared
}

// String is one line without its end, such as
// "container dind-4f2a-job (busybox:latest, running)".
func (o Object) String() string {
	if o.Detail == "" {
		return o.Kind + " " + o.Name
	}
	return o.Kind + " " + o.Name + " (" + o.Detail + ")"
}

// Objects is a complete list, sorted by kind, name and ID.
type Objects []Object

// Snapshot returns all containers in whatever state, all networks and all
// volumes of the engine, whoever made them.
func Snapshot(ctx context.Context, cli *client.Client) (Objects, error) {
	var all Objects
	containers, err := cli.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		return nil, fmt.Errorf("cannot list the engine's containers: %w", err)
	}
	for _, c := range containers {
		name := c.ID
		if len(c.Names) > 0 { // a container that is being removed may have none
			name = strings.TrimPrefix(c.Names[0], "/")
		}
		all = append(all, Object{Kind: "container", ID: c.ID, Name: name, Detail: c.Image + ", " + c.State})
	}
	networks, err := cli.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("cannot list the engine's networks: %w", err)
	}
	for _, n := range networks {
		if slices.Contains([]string{"bridge", "host", "none"}, n.Name) {
			n.ID = n.Name
		}
		all = append(all, Object{Kind: "network", ID: n.ID, Name: n.Name, Detail: n.Driver})
	}
	volumes, err := cli.VolumeList(ctx, volume.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("cannot list the engine's volumes: %w", err)
	}
	for _, v := range volumes.Volumes {
		if v.Labels["gitlab-dind-executor.role"] == "silent" {
			continue // it says for minutes that a registry was silent, on purpose
		}
		all = append(all, Object{Kind: "volume", ID: v.Name, Name: v.Name, Detail: "created " + v.CreatedAt})
	}
	slices.SortFunc(all, func(a, b Object) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}

// Diff returns a line for each object that is in only one of the lists: with
// "-" what is gone, with "+" what has come, and "~" for one that was renamed.
// It is empty when the lists are alike; details are not compared.
func Diff(before, after Objects) string {
	type key struct{ kind, id string }
	names := func(objects Objects) map[key]string {
		m := make(map[key]string, len(objects))
		for _, o := range objects {
			m[key{o.Kind, o.ID}] = o.Name
		}
		return m
	}
	was, is := names(before), names(after)
	var out strings.Builder
	for _, o := range before {
		if _, ok := is[key{o.Kind, o.ID}]; !ok {
			fmt.Fprintf(&out, "- %s\n", o)
		}
	}
	for _, o := range after {
		name, ok := was[key{o.Kind, o.ID}]
		switch {
		case !ok:
			fmt.Fprintf(&out, "+ %s\n", o)
		case name != o.Name:
			fmt.Fprintf(&out, "~ %s, was %s\n", o, name)
		}
	}
	return out.String()
}

// Bounds of Unchanged.
var (
	settleTime  = Slower(20 * time.Second) // for the engine's lists to become what they were
	settleEvery = 200 * time.Millisecond   // between two looks
)

// Unchanged lets the test fail when at its end the engine has other
// containers, networks or volumes than now. The engine may take up to 20 s to
// get there. Call it before anything else that registers a cleanup, as
// cleanups run in reverse order.
func Unchanged(t testing.TB, cli *client.Client) {
	t.Helper()
	if err := RemoveStale(t.Context(), cli); err != nil {
		t.Fatal(err)
	}
	awaitRemovals(t.Context(), cli)
	before, err := Snapshot(t.Context(), cli)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Not the test's context: that has ended when cleanups run.
		if err := Settle(context.Background(), cli, before); err != nil {
			t.Error(err)
		}
	})
}

// awaitRemovals waits, up to 20 s, until no job that has ended is being removed behind
// its cleanup: each has a volume that says so.
func awaitRemovals(ctx context.Context, cli *client.Client) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	for {
		left, err := cli.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(filters.Arg("label", "gitlab-dind-executor.role=ended"))})
		if err != nil || len(left.Volumes) == 0 {
			return // the lists tell
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Settle waits until the engine holds what it held before. After 20 s it returns
// an error with the difference.
func Settle(ctx context.Context, cli *client.Client, before Objects) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	return waitAlike(ctx, before, func(ctx context.Context) (Objects, error) { return Snapshot(ctx, cli) })
}

// waitAlike returns nil as soon as the list is what it was before, and when
// ctx ends an error with the last difference that was seen.
func waitAlike(ctx context.Context, before Objects, list func(context.Context) (Objects, error)) error {
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	var diff string
	for {
		after, err := list(ctx)
		switch {
		case err == nil:
			if diff = Diff(before, after); diff == "" {
				return nil
			}
		case ctx.Err() == nil:
			return err
		case diff == "":
			return fmt.Errorf("the engine's lists could not be compared: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the engine's objects are not what they were (%w):\n%s", context.Cause(ctx), diff)
		case <-tick.C:
		}
	}
}
