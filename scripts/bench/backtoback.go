package main

import (
	"context"
	"fmt"
	"time"

	"gitlab-dind-executor/executor/local"
)

// poolSizes are the measured sizes of pools. 0 is a host without a pool.
var poolSizes = []int{0, 1, 2, 4}

const (
	// backToBackBound ends jobs that hang.
	backToBackBound = 5 * time.Minute
	// turnOf is the number of projects with jobs in turn where layers are kept.
	turnOf = 8
	// keepsLayers are the settings with kept layers.
	keepsLayers = "[cache]\nvolume = false\nlayers = \"project\"\n"
)

// backToBack measures jobs that begin when the job before has ended, by the middle and by the
// tail. This is the experience of users of a busy host. Without kept layers, jobs of any
// project can have any sandbox of their kind. With kept layers, projects with jobs in turn want
// different sandboxes.
func (b *bench) backToBack() table {
	t := table{key: "back", title: "Jobs back to back, with and without a pool", rounds: 1, tail: true}
	for _, size := range poolSizes {
		t.trials = append(t.trials, b.following("B", "one kind of sandbox", size, 1, 4*b.rounds))
	}
	for _, size := range []int{0, 1} {
		t.trials = append(t.trials, b.following("E", "layers kept, eight projects in turn", size, turnOf, turnOf*max(1, b.rounds*3/10)))
	}
	return t
}

// following measures jobs of some projects in turn, with a pool of the given size.
func (b *bench) following(group, what string, size, projects, jobs int) trial {
	key, pool := group+"N", "no pool"
	if size > 0 {
		key, pool = fmt.Sprintf("%sP%d", group, size), fmt.Sprintf("pool.size = %d", size)
	}
	return trial{
		figures: []figure{
			{key, what + ", " + pool + ": first line", "ms"},
			{key + "w", what + ", " + pool + ": whole job", "ms"},
			{key + "c", what + ", " + pool + ": CPU of a job", "s"},
		},
		measure: func(ctx context.Context, n note) error {
			more := ""
			if projects > 1 {
				more = keepsLayers
			}
			settings, err := b.lab.WriteSettings("back-"+key+".toml", fmt.Sprintf("[pool]\nsize = %d\n", size)+more)
			if err != nil {
				return err
			}
			w := hooked{b: b, settings: settings, pool: size > 0}
			if projects > 1 { // the first job of each project makes its layers
				if err := b.inTurn(ctx, key, w, b.ofProjects(projects, projects), func(string, float64) {}); err != nil {
					return err
				}
			}
			if err := b.inTurn(ctx, key, w, b.ofProjects(projects, jobs), n); err != nil {
				return err
			}
			return b.drain(ctx)
		},
		bound: backToBackBound,
	}
}

// ofProjects are trivial jobs of some projects in turn.
func (b *bench) ofProjects(projects, jobs int) []local.Payload {
	all := make([]local.Payload, jobs)
	for i := range all {
		all[i] = b.trivial()
		all[i].JobInfo.ProjectID = int64(100 + i%projects)
	}
	return all
}
