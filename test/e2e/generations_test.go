package e2e

import (
	"context"
	"slices"
	"sync"
	"testing"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// generations are the last releases of the Runner's major versions. Scripts, payloads and the
// calls of hooks differ among them.
var generations = []struct {
	version string
	// code is the exit code in GitLab of a script that exits with 7. A Runner that asks for no
	// code gets 1.
	code int
	// steps tells that the Runner knows `run:`.
	steps bool
}{{"16.11.4", 1, false}, {"17.11.4", 7, true}, {"18.11.4", 7, true}, {"19.3.0", 7, true}}

func TestEachGenerationOfTheRunner(t *testing.T) {
	gitlab := gitlabOf(t)
	those := generations
	if !long() { // the oldest and the newest differ most
		those = slices.Concat(generations[:1], generations[len(generations)-1:])
	}
	for _, g := range those {
		t.Run(g.version, func(t *testing.T) {
			rig.Unchanged(t, world.Engine)
			ctx, cancel := context.WithTimeout(t.Context(), jobTimeout)
			defer cancel()
			var log *buffer
			of := func(r *local.Runner) {
				r.Version, r.URL = g.version, gitlab.URL
				log = r.Log.(*buffer)
			}
			var wg sync.WaitGroup
			start := func(p local.Payload) (*local.Job, func() ran) {
				job, finish := startJob(ctx, t, p, of)
				var r ran
				wg.Go(func() { r = finish(job.Wait()) })
				return job, func() ran { wg.Wait(); return r }
			}

			built := withToken(gitlab, wholeJob())
			_, whole := start(built)
			broken := withToken(gitlab, brokenJob())
			_, failed := start(broken)
			job, cancelled := start(after(world.Job(`echo started; sleep 300`), `echo "after a $CI_JOB_STATUS script"`))
			log.waitFor(t, job, "\nstarted\n")
			job.Cancel()

			helper := "warning: the helper has gitlab-runner 18.6.6, the runner is " + g.version
			r := whole()
			r.succeeded().quietCleanup().says(helper, "\nhello from version 1.0\n", "\npushed\n", "image "+rig.ImageCLI+"\n", "\nthe service has answered\n", "Created cache").
				saysNot(built.Token, "Missing gitlab-runner")
			if len(gitlab.Of(built.ID)) != 1 {
				t.Error("the artifacts of the job that succeeded did not arrive")
			}
			failed().failedWith(g.code).quietCleanup().says("Failed to extract cache", "shell: \n", "stdin: []\n", "multi main\n", "after failed, its, a note", "Created cache", "Uploading artifacts").
				saysNot("\nnever", broken.Token)
			if len(gitlab.Of(broken.ID)) != 1 {
				t.Error("the artifacts of the job that failed did not arrive")
			}
			if r := cancelled().quietCleanup().says("after a canceled script").saysNot("\nnever"); r.State != local.Canceled {
				t.Errorf("the cancelled job ended as %s", r.State)
			}
			if !g.steps {
				return
			}
			steps := world.Job()
			steps.Steps, steps.Run = nil, `[{"name":"a","step":"./a"}]`
			if r := runJobUnchecked(t, steps, of).quietCleanup().says("error: the job has steps (run:)", "hint: write the job with script:"); r.State != local.Failed || r.Attempts != 1 {
				t.Errorf("a job with steps ended as %s after %d attempts", r.State, r.Attempts)
			}
		})
	}
}

// wholeJob has the steps of most jobs, with bash.
func wholeJob() local.Payload {
	p := withServices(world.Job(
		login,
		`docker build --quiet --build-arg BASE=$CI_REGISTRY/base/busybox -t $CI_REGISTRY_IMAGE:$CI_JOB_ID . && docker run --rm $CI_REGISTRY_IMAGE:$CI_JOB_ID`,
		`docker push --quiet $CI_REGISTRY_IMAGE:$CI_JOB_ID && echo pushed`,
		`echo "image $CI_JOB_IMAGE"`,
		`n=0; until curl -sf http://web/hostname >/dev/null; do n=$((n+1)); [ $n -lt 100 ]; sleep 0.1; done; echo the service has answered`,
		`mkdir -p vendor; echo dep > vendor/dep`,
	), local.Image{Name: rig.ImageBusybox, Alias: "web", Command: []string{"httpd", "-f", "-h", "/etc"}, Variables: []local.Variable{{Key: "PLACE", Value: "$CI_JOB_ID"}}})
	p.Cache = []local.Cache{{Key: "default", Paths: []string{"vendor/"}}}
	p.Artifacts = []local.Artifact{{Paths: []string{"vendor/"}, When: "on_success"}}
	return p
}

// brokenJob fails in an image without bash. All the stages behind a script follow.
func brokenJob() local.Payload {
	p := images(world.Job(
		`echo "shell: ${BASH_VERSION:+bash}"`,
		`echo "stdin: [$(cat)]"`,
		`echo "FROM_SCRIPT=its" >> $GITLAB_ENV`,
		"if true; then\n  echo \"multi $CI_COMMIT_BRANCH\" | cat\nfi",
		`mkdir -p vendor; echo dep > vendor/dep; exit 7; echo never`,
	), rig.ImageBusybox, rig.ImageDind)
	p.Cache = []local.Cache{{Key: "default", Paths: []string{"vendor/"}, When: "always"}}
	p.Artifacts = []local.Artifact{{Paths: []string{"vendor/"}, When: "always"}}
	p.Variables = append(p.Variables, local.Variable{Key: "NOTES", Value: "a note", File: true})
	return after(p, `echo "after $CI_JOB_STATUS, $FROM_SCRIPT, $(cat $NOTES)"`)
}
