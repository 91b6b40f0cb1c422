package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// The executor's labels, by which its objects are looked at from outside.
const (
	labelSandbox = "gitlab-dind-executor.sandbox"
	labelSpec    = "gitlab-dind-executor.spec"
	labelJob     = "gitlab-dind-executor.job"
	labelRole    = "gitlab-dind-executor.role"
	labelScope   = "gitlab-dind-executor.scope"
)

// endBound is how long what the run has made may take to be removed.
const endBound = 3 * time.Minute

// bench is a run of the benchmark.
type bench struct {
	lab *lab.Lab
	out io.Writer
	// instance is the GitLab that this run's jobs come from: its objects are told
	// from all others by it.
	instance string
	// engine is its version, inner that of the daemon in the sidecars.
	engine, inner string
	before        rig.Objects
	rounds        int
	tables        []table
	samples       map[string][]float64
	// warm and layers are settings files besides the lab's.
	warm, layers string
	// pools are the settings files whose pools have been filled.
	pools map[string]bool
	// stages are scripts as the Runner writes them, by stage.
	stages map[string]string
	shop   *shop
}

func newBench(ctx context.Context, executor string, rounds int) (b *bench, err error) {
	b = &bench{
		out: os.Stdout, rounds: rounds, samples: map[string][]float64{}, pools: map[string]bool{},
		instance: fmt.Sprintf("bench-%d-%d", os.Getpid(), time.Now().Unix()),
	}
	if b.lab, err = lab.New(ctx, lab.Options{Binary: executor}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.lab.Close())
		}
	}()
	version, err := b.lab.Engine.ServerVersion(ctx)
	if err != nil {
		return nil, err
	}
	b.engine = version.Version
	if err := b.alone(ctx); err != nil {
		return nil, err
	}
	if b.before, err = rig.Snapshot(ctx, b.lab.Engine); err != nil {
		return nil, err
	}
	if b.warm, err = b.lab.WriteSettings("warm.toml", "[pool]\nsize = 1\n"); err != nil {
		return nil, err
	}
	if b.layers, err = b.lab.WriteSettings("layers.toml", "[cache]\nvolume = false\nlayers = \"project\"\n"); err != nil {
		return nil, err
	}
	if b.stages, err = b.record(ctx); err != nil {
		return nil, err
	}
	if b.shop, err = b.newShop(ctx); err != nil {
		return nil, err
	}
	privileges, err := b.privileges(ctx)
	if err != nil {
		return nil, err
	}
	b.tables = []table{b.first(), b.rebuild(), privileges, b.hooks(), b.end(), b.together(), b.waiting()}
	return b, nil
}

// alone is an error where sandboxes wait: they would be claimed and drained.
func (b *bench) alone(ctx context.Context) error {
	if err := b.command(ctx, os.DevNull, "gc"); err != nil {
		return err
	}
	waiting, err := b.waitingContainers(ctx)
	if err == nil && len(waiting) > 0 {
		err = fault.System(fmt.Errorf("%d containers of sandboxes made ahead are on this engine", len(waiting)),
			"the benchmark would take them: drain the pool first, or use another engine")
	}
	return err
}

// close removes what the run has made on the engine, also after an interruption,
// and looks whether that was all.
func (b *bench) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endBound)
	defer cancel()
	errs := []error{b.drain(ctx), b.removeCached(ctx), b.command(ctx, os.DevNull, "gc"), rig.RemoveStale(ctx, b.lab.Engine)}
	errs = append(errs, rig.Settle(ctx, b.lab.Engine, b.before), b.lab.Close())
	return errors.Join(errs...)
}

// removeCached removes the data roots and caches of this run's projects. `gc
// --caches` would remove those of others too.
func (b *bench) removeCached(ctx context.Context) error {
	all, err := b.lab.Engine.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(filters.Arg("label", labelScope))})
	if err != nil {
		return err
	}
	var errs []error
	for _, v := range all.Volumes {
		if !strings.HasPrefix(v.Labels[labelScope], b.instance+"/") {
			continue
		}
		if err := b.lab.Engine.VolumeRemove(ctx, v.Name, false); err != nil && !errdefs.IsNotFound(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// command runs the executor, not as a hook.
func (b *bench) command(ctx context.Context, settings string, args ...string) error {
	cmd := command(ctx, b.lab.Binary, append([]string{"--settings", settings}, args...)...)
	if err := runCommand(cmd); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// job is a job of this run.
func (b *bench) job(script ...string) local.Payload {
	p := b.lab.Job(script...)
	p.JobInfo.InstanceUUID = b.instance
	return p
}

// fill sees to it that the pool of a settings file is full.
func (b *bench) fill(ctx context.Context, settings string) error {
	b.pools[settings] = true
	if err := b.rest(ctx, settings); err != nil {
		return err
	}
	return b.command(ctx, settings, "pool", "fill")
}

// quiet waits until the sweep behind the job before has ended, and what is made
// behind it for the next is there: both would run on the next one's time.
func (b *bench) quiet(ctx context.Context) error {
	if err := b.rest(ctx, b.warm); err != nil {
		return err
	}
	return b.await(ctx, "the sweep behind a job still goes on", b.lab.Binary+"\x00gc\x00")
}

// rest waits until no process that a job has left behind fills the pool.
func (b *bench) rest(ctx context.Context, settings string) error {
	return b.await(ctx, "the pool is still being filled", "--from-stdin\x00--settings\x00"+settings+"\x00")
}

// await waits until no process has this in its command line.
func (b *bench) await(ctx context.Context, otherwise, line string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		busy := false
		all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, file := range all {
			text, err := os.ReadFile(file)
			busy = busy || err == nil && strings.Contains(string(text), line)
		}
		if !busy {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", otherwise, ctx.Err())
		}
	}
}

// drain removes the sandboxes that wait.
func (b *bench) drain(ctx context.Context) error {
	for settings := range b.pools {
		if err := b.rest(ctx, settings); err != nil {
			return err
		}
	}
	if len(b.pools) == 0 {
		return nil
	}
	clear(b.pools)
	return b.command(ctx, b.lab.Settings, "pool", "drain")
}
