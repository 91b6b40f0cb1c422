package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/docker/docker/client"

	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// settleTime is the bound for the engine's lists to become as before.
const settleTime = 10 * time.Second

// demo shows a job. However the job ends, demo compares the engine's objects before and after.
func demo(ctx context.Context, out io.Writer, executor string) error {
	engine, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return err
	}
	defer engine.Close()
	version, err := engine.ServerVersion(ctx)
	if err != nil {
		return err
	}
	if err := removeStale(ctx, engine, executor); err != nil {
		return err
	}
	before, err := rig.Snapshot(ctx, engine)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nEngine      docker %s, holding %s\n", version.Version, count(before))

	jobErr := inLab(ctx, out, executor)
	leftErr := compare(context.WithoutCancel(ctx), out, engine, before)
	if jobErr != nil {
		return jobErr
	}
	return leftErr
}

// removeStale removes leftovers of earlier killed demos and jobs. The job would do so, too, and
// this would show up in the comparison.
func removeStale(ctx context.Context, engine *client.Client, executor string) error {
	if err := rig.RemoveStale(ctx, engine); err != nil {
		return err
	}
	// The machine's settings file is left out, because it may name another engine.
	if out, err := exec.CommandContext(ctx, executor, "--settings", os.DevNull, "gc").CombinedOutput(); err != nil {
		return fmt.Errorf("removing what was left earlier: %w: %s", err, out)
	}
	return nil
}

// inLab runs the job in a world of its own.
func inLab(ctx context.Context, out io.Writer, executor string) (err error) {
	l, err := lab.New(ctx, lab.Options{Binary: executor})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	dir, err := os.MkdirTemp("", "dind-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := newProject(ctx, dir, l.Registry.Host); err != nil {
		return err
	}
	fmt.Fprintf(out, "Registry    %s, with TLS and a password\n", l.Registry.Host)
	fmt.Fprintf(out, "Project     a git repository with this .gitlab-ci.yml\n\n")
	log := &jobLog{out: out}
	_, _ = log.Write([]byte(pipeline))
	fmt.Fprint(out, "\n$ gitlab-dind-executor try --times --variable CI_REGISTRY=… --variable CI_REGISTRY_PASSWORD …\n\n")
	log = &jobLog{out: out}
	runErr := try(ctx, log, l, dir)
	log.flush()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case strings.Contains(log.text.String(), l.Registry.Password):
		return errors.New("the registry's password is in the job log")
	case runErr != nil:
		return fault.System(fmt.Errorf("the job failed: %w", runErr), "the job log above says why")
	}
	fmt.Fprint(out, "\nPushed, as the registry has it\n\n")
	return pushed(ctx, out, l, log.text.String())
}

// compare says whether the engine holds the same objects as before.
func compare(ctx context.Context, out io.Writer, engine *client.Client, before rig.Objects) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for {
		after, err := rig.Snapshot(ctx, engine)
		if err != nil {
			return err
		}
		diff := rig.Diff(before, after)
		if diff == "" {
			fmt.Fprintf(out, "\nEngine      holds exactly what it held before: %s\n", count(after))
			return nil
		}
		select {
		case <-time.After(200 * time.Millisecond):
			continue
		case <-ctx.Done():
		}
		fmt.Fprintf(out, "\nEngine      does not hold what it held before\n\n%s\n", diff)
		return fault.System(errors.New("the engine's objects are not what they were before the job"),
			"see the list above; something else may have used the engine meanwhile")
	}
}

// count says how many objects of each kind there are.
func count(objects rig.Objects) string {
	n := map[string]int{}
	for _, o := range objects {
		n[o.Kind]++
	}
	return fmt.Sprintf("%d containers, %d networks, %d volumes", n["container"], n["network"], n["volume"])
}
