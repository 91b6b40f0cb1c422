package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"gitlab-dind-executor/test/rig"
)

const (
	// emptyScript has nothing to do, in a shell that must start.
	emptyScript = "#!/usr/bin/env bash\n\n: | eval $'true\\n'\nexit 0\n"
	// helperStage runs in the helper. buildStage and laterStage run in the job's image.
	helperStage, buildStage, laterStage = "prepare_script", "build_script", "after_script"
)

// hooks measures the duration of each hook with an empty script.
func (b *bench) hooks() table {
	return table{
		key: "hooks", title: "What each hook takes, with nothing to do", rounds: b.rounds, warm: true,
		trials: []trial{{
			figures: []figure{
				{"E", "docker exec of true in the helper", "ms"},
				{"Hc", "config", "ms"},
				{"Hh", "run, a helper stage", "ms"},
				{"Hb", "run, the script", "ms"},
				{"Hl", "run, after_script: the container starts again", "ms"},
				{"Hn", "cleanup that finds nothing", "ms"},
			},
			measure: b.eachHook,
		}},
	}
}

func (b *bench) eachHook(ctx context.Context, n note) (err error) {
	j, err := b.newHookedJob(ctx, b.lab.Settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.end(ctx)) }()
	n("Hc", ms(j.configured))
	sandbox, err := b.booted(ctx, j)
	if err != nil {
		return err
	}
	exec, err := took(command(ctx, "docker", "exec", "dind-"+sandbox+"-helper", "true"))
	if err != nil {
		return err
	}
	n("E", ms(exec))
	// The job container starts beside this stage.
	if err := j.run(ctx, io.Discard, "get_sources", emptyScript); err != nil {
		return err
	}
	for _, stage := range []struct{ key, name string }{{"Hh", helperStage}, {"Hb", buildStage}, {"Hl", laterStage}} {
		took, err := j.timed(ctx, io.Discard, stage.name, emptyScript)
		if err != nil {
			return err
		}
		n(stage.key, ms(took))
	}
	if _, err := j.call(ctx, nil, "cleanup"); err != nil {
		return err
	}
	nothing, err := j.call(ctx, nil, "cleanup")
	n("Hn", ms(nothing))
	return err
}

// booted prepares a job and waits until its daemon answers, so that no stage waits. It returns
// the sandbox.
func (b *bench) booted(ctx context.Context, j *hookedJob) (string, error) {
	if _, err := j.call(ctx, nil, "prepare"); err != nil {
		return "", err
	}
	sandbox, err := j.sandbox(ctx)
	if err != nil {
		return "", err
	}
	return sandbox, b.answers(ctx, sandbox)
}

// answers waits until a sandbox's daemon answers.
func (b *bench) answers(ctx context.Context, sandbox string) error {
	const asked = "until docker version >/dev/null 2>&1; do sleep 0.05; done"
	return runCommand(command(ctx, "docker", "exec", "dind-"+sandbox+"-sidecar", "sh", "-c", asked))
}

// end measures the user's wait at the end of a job.
func (b *bench) end() table {
	return table{
		key: "end", title: "What a job waits for at its end", rounds: b.rounds, warm: true,
		trials: []trial{
			{figures: []figure{{"K", "cleanup", "ms"}}, measure: func(ctx context.Context, n note) (err error) {
				j, _, err := b.used(ctx)
				if err != nil {
					return err
				}
				defer func() { err = errors.Join(err, j.end(ctx)) }()
				took, err := j.call(ctx, nil, "cleanup")
				n("K", ms(took))
				return err
			}},
			{figures: []figure{
				{"KR", "docker rm -fv of a twin's containers", "ms"},
				{"KN", "the same, then docker network rm and docker volume rm", "ms"},
			}, measure: b.removedByHand},
		},
	}
}

// used is a job whose script has run, and its sandbox.
func (b *bench) used(ctx context.Context) (j *hookedJob, sandbox string, err error) {
	if j, err = b.newHookedJob(ctx, b.lab.Settings); err != nil {
		return nil, "", err
	}
	if sandbox, err = b.booted(ctx, j); err == nil {
		err = j.run(ctx, io.Discard, buildStage, emptyScript)
	}
	if err != nil {
		return nil, "", errors.Join(err, j.end(ctx))
	}
	return j, sandbox, nil
}

// removedByHand removes a job's objects with the docker command.
func (b *bench) removedByHand(ctx context.Context, n note) (err error) {
	j, sandbox, err := b.used(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.end(ctx)) }()
	containers, err := b.containers(ctx, labelSandbox+"="+sandbox)
	if err != nil {
		return err
	}
	args := []string{"rm", "-fv"}
	for _, c := range containers {
		args = append(args, c.ID)
	}
	removed, err := took(command(ctx, "docker", args...))
	if err != nil {
		return err
	}
	objects, err := rig.Snapshot(ctx, b.lab.Engine)
	if err != nil {
		return err
	}
	volumes := []string{"volume", "rm"}
	for _, o := range objects {
		if o.Kind == "volume" && strings.HasPrefix(o.Name, "dind-"+sandbox+"-") {
			volumes = append(volumes, o.Name)
		}
	}
	network, err := took(command(ctx, "docker", "network", "rm", "dind-"+sandbox))
	if err != nil {
		return err
	}
	rest, err := took(command(ctx, "docker", volumes...))
	if err != nil {
		return fmt.Errorf("removing the volumes: %w", err)
	}
	n("KR", ms(removed))
	n("KN", ms(removed+network+rest))
	return nil
}
