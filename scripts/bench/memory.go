package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"golang.org/x/sync/errgroup"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/test/lab"
)

// containers are the containers of the benchmark's sandboxes with these labels.
func (b *bench) containers(ctx context.Context, labels ...string) ([]container.Summary, error) {
	f := filters.NewArgs(filters.Arg("label", labelSandbox), filters.Arg("label", lab.InstallationLabel+"="+lab.Installation))
	for _, l := range labels {
		f.Add("label", l)
	}
	list, err := b.lab.Engine.ContainerList(ctx, container.ListOptions{All: true, Filters: f})
	if err != nil {
		return nil, fmt.Errorf("listing the sandboxes' containers: %w", err)
	}
	return list, nil
}

// waitingContainers are the containers of sandboxes without a job.
func (b *bench) waitingContainers(ctx context.Context) ([]container.Summary, error) {
	all, err := b.containers(ctx)
	taken := map[string]bool{}
	for _, c := range all {
		if c.Labels[labelRole] == "job" {
			taken[c.Labels[labelSandbox]] = true
		}
	}
	var waiting []container.Summary
	for _, c := range all {
		if !taken[c.Labels[labelSandbox]] {
			waiting = append(waiting, c)
		}
	}
	return waiting, err
}

// memory is the containers' memory in MiB, counted as docker stats counts. Page cache that the
// kernel would give back at once is left out. So is the engine's own process for each
// container, about 10 MiB.
func (b *bench) memory(ctx context.Context, list []container.Summary) (float64, error) {
	used := make([]float64, len(list))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i, c := range list {
		if c.State != container.StateRunning {
			continue
		}
		g.Go(func() (err error) {
			used[i], err = b.memoryOf(ctx, c.ID)
			return err
		})
	}
	err := g.Wait()
	sum := 0.0
	for _, u := range used {
		sum += u
	}
	return sum, err
}

func (b *bench) memoryOf(ctx context.Context, id string) (used float64, err error) {
	r, err := b.lab.Engine.ContainerStatsOneShot(ctx, id)
	if err != nil {
		return 0, fmt.Errorf("what a container uses: %w", err)
	}
	defer func() { err = errors.Join(err, r.Body.Close()) }()
	var s container.StatsResponse
	if err := json.NewDecoder(r.Body).Decode(&s); err != nil {
		return 0, fmt.Errorf("what a container uses: %w", err)
	}
	return float64(engine.InUse(s.MemoryStats)) / (1 << 20), nil
}
