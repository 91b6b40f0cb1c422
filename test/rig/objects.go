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
	ID     string // of a volume: its name, because it has no other; of a network made anew at each start of the engine: its name
	Name   string
	Detail string // for the reader: image and state, driver; not compared
}

// String is a line such as "container dind-4f2a-job (busybox:latest, running)", without a line
// break.
func (o Object) String() string {
	if o.Detail == "" {
		return o.Kind + " " + o.Name
	}
	return o.Kind + " " + o.Name + " (" + o.Detail + ")"
}

// Objects is a complete list, sorted by kind, name and ID.
type Objects []Object

// Snapshot returns all containers in any state, all networks and all volumes of the engine,
// foreign objects included.
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
			continue // the volume notes for minutes, on purpose, that a registry was silent
		}
		all = append(all, Object{Kind: "volume", ID: v.Name, Name: v.Name, Detail: "created " + v.CreatedAt})
	}
	slices.SortFunc(all, func(a, b Object) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}

// Diff returns a line for each difference between the lists. The line begins with "-" for an
// object that is gone, "+" for a new object, and "~" for a renamed object. Diff is empty when
// the lists are alike. It does not compare details.
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
	settleTime  = Slower(20 * time.Second) // for the engine's lists to become as before
	settleEvery = 200 * time.Millisecond   // between two looks
)

// Unchanged lets the test fail when at its end the engine has other containers, networks or
// volumes than now. The engine may take up to 20 s to get there. Call Unchanged before all
// other functions that register a cleanup, because cleanups run in reverse order.
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
		// The test's own context has ended when cleanups run.
		if err := Settle(context.Background(), cli, before); err != nil {
			t.Error(err)
		}
	})
}

// awaitRemovals waits, up to 20 s, until no removal goes on behind the cleanup of an ended job.
// A volume marks each such job.
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

// Settle waits until the engine holds the same objects as before. After 20 s it returns an
// error with the difference.
func Settle(ctx context.Context, cli *client.Client, before Objects) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	return waitAlike(ctx, before, func(ctx context.Context) (Objects, error) { return Snapshot(ctx, cli) })
}

// waitAlike returns nil as soon as the list is as before. When ctx ends, it returns an error
// with the last difference.
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
