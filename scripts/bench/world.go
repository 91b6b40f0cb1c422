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

// The executor's labels, to look at its objects from outside.
const (
	labelSandbox = "gitlab-dind-executor.sandbox"
	labelSpec    = "gitlab-dind-executor.spec"
	labelJob     = "gitlab-dind-executor.job"
	labelRole    = "gitlab-dind-executor.role"
	labelScope   = "gitlab-dind-executor.scope"
)

// endBound bounds the removal of the run's objects.
const endBound = 3 * time.Minute

// bench is a run of the benchmark.
type bench struct {
	lab *lab.Lab
	out io.Writer
	// instance is the GitLab of this run's jobs. It tells the run's objects from all others.
	instance string
	// engine is the engine's version, inner the version of the daemon in the sidecars.
	engine, inner string
	// runner is the version of the GitLab Runner that drives both sides, "" for none.
	runner string
	// program is the executor's binary as the kernel names it.
	program string
	before  rig.Objects
	rounds  int
	tables  []table
	samples map[string][]float64
	// warm, offered and layers are settings files besides the lab's: with a pool, with bare
	// sandboxes, and with cached layers.
	warm, offered, layers string
	// pools are the settings files whose pools have been filled.
	pools map[string]bool
	shop  *shop
	// rival is the docker executor, or docker, which does the same.
	rival  way
	docker *dockerWay
	// real is the GitLab Runner that drives both sides, nil for none.
	real *realRunner
}

func newBench(ctx context.Context, executor, runner string, rounds int) (_ *bench, err error) {
	b := &bench{
		out: os.Stdout, rounds: rounds, samples: map[string][]float64{}, pools: map[string]bool{},
		instance: fmt.Sprintf("bench-%d-%d", os.Getpid(), time.Now().Unix()),
	}
	if b.lab, err = lab.New(ctx, lab.Options{Binary: executor}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.closeRunner(ctx), b.lab.Close())
		}
	}()
	if b.program, err = filepath.EvalSymlinks(b.lab.Binary); err != nil {
		return nil, err
	}
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
	if err := b.lab.ServeImages(ctx); err != nil {
		return nil, err
	}
	if b.warm, err = b.lab.WriteSettings("warm.toml", "[pool]\nsize = 1\n"); err != nil {
		return nil, err
	}
	if b.offered, err = b.lab.WriteSettings("offered.toml", "[pool]\nbare = 1\n"); err != nil {
		return nil, err
	}
	if b.layers, err = b.lab.WriteSettings("layers.toml", "[cache]\nvolume = false\nlayers = \"project\"\n"); err != nil {
		return nil, err
	}
	if b.shop, err = b.newShop(ctx); err != nil {
		return nil, err
	}
	b.docker = b.newDockerWay()
	b.rival = b.docker
	if runner != "" {
		if b.real, err = b.newRealRunner(ctx, runner); err != nil {
			return nil, err
		}
		b.rival = b.real.docker
	}
	privileges, err := b.privileges(ctx)
	if err != nil {
		return nil, err
	}
	b.tables = []table{b.trivialJobs(), b.first(), b.rebuild(), privileges, b.hooks(), b.end(), b.together(), b.waiting(), b.backToBack(), b.many()}
	if b.real != nil {
		err = b.real.start(ctx)
	}
	return b, err
}

// closeRunner ends the Runner, where there is one.
func (b *bench) closeRunner(ctx context.Context) error {
	if b.real == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endBound)
	defer cancel()
	return b.real.close(ctx)
}

// alone is an error where sandboxes wait, because the run would claim and drain them.
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

// close removes the run's objects on the engine, also after an interruption, and checks that
// none is left.
func (b *bench) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endBound)
	defer cancel()
	errs := []error{b.closeRunner(ctx), b.quiet(ctx), b.drain(ctx), b.docker.close(ctx), b.removeCached(ctx), b.command(ctx, os.DevNull, "gc"), rig.RemoveStale(ctx, b.lab.Engine)}
	errs = append(errs, rig.Settle(ctx, b.lab.Engine, b.before), b.lab.Close())
	return errors.Join(errs...)
}

// removeCached removes the data roots and caches of this run's projects. `gc --caches` would
// remove those of other projects, too.
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

// command runs a command of the executor other than a hook.
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

// ours is this executor with a settings file. oursWarm is the same where each job finds a
// waiting sandbox. Both must be called before the tables are measured, because then a Runner
// starts that drives the jobs.
func (b *bench) ours(settings string) way     { return b.way(settings, false) }
func (b *bench) oursWarm(settings string) way { return b.way(settings, true) }

func (b *bench) way(settings string, pool bool) way {
	if b.real == nil {
		return hooked{b: b, settings: settings, pool: pool, warm: pool}
	}
	return b.real.way(settings, pool)
}

// fill fills the pool of a settings file.
func (b *bench) fill(ctx context.Context, settings string) error {
	b.pools[settings] = true
	if err := b.quiet(ctx); err != nil {
		return err
	}
	return b.command(ctx, settings, "pool", "fill")
}

// quiet waits until no process of the executor is left. Work behind a job, such as its removal
// and the making of the next sandbox, would run on the next job's time.
func (b *bench) quiet(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		busy := false
		all, _ := filepath.Glob("/proc/[0-9]*/exe")
		for _, link := range all {
			program, err := os.Readlink(link)
			busy = busy || err == nil && program == b.program
		}
		if !busy {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("what goes on behind a job has not ended: %w", ctx.Err())
		}
	}
}

// drain removes the waiting sandboxes.
func (b *bench) drain(ctx context.Context) error {
	if len(b.pools) == 0 {
		return nil
	}
	if err := b.quiet(ctx); err != nil {
		return err
	}
	clear(b.pools)
	return b.command(ctx, b.lab.Settings, "pool", "drain")
}
