package e2e

import (
	"os/exec"
	"strings"
	"testing"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// A volume of gigabytes, for example, cannot be removed at once. The job's status does not wait
// for the removal. A process behind the hook removes the rest, and the volume as soon as
// possible, without anybody's help.
func TestTheJobDoesNotWaitForWhatIsLongToRemove(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	var held string
	var release func() error
	r := runJobUnchecked(t, world.Job(`echo done`), func(r *local.Runner) {
		r.OnHook = func(h local.Hook) {
			if h.Stage != "cleanup_file_variables" {
				return
			}
			for name, l := range ours(t) {
				if l["gitlab-dind-executor.role"] == "builds" {
					held = name
				}
			}
			var err error
			if release, err = rig.HoldVolume(t.Context(), world.Engine, held); err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { _ = release() }) // should the test end early
		}
	}).succeeded()
	if release == nil {
		t.Fatal("no volume was held")
	}
	sandbox := strings.TrimSuffix(strings.TrimPrefix(held, "dind-"), "-builds")
	until(t, "the removal of all but the held volume", func() bool {
		left := labelsOf(t, sandbox)
		return len(left) == 1 && left[held] != nil
	})
	if r.Phases[len(r.Phases)-1].ExitCode != 0 {
		t.Errorf("cleanup ended with %+v", r.Phases[len(r.Phases)-1])
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	until(t, "the removal behind the hook", func() bool { return len(labelsOf(t, sandbox)) == 0 })
	r.quietCleanup()
}

// A sandbox's Runner is elsewhere, and its job has the same id at another GitLab. A cleanup and
// a sweep here leave the sandbox alone.
func TestAnotherGitLabsJobOfTheSameIDIsLeft(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	mine := world.Job(`echo running; sleep 300`)
	var log *buffer
	job, finish := startJob(t.Context(), t, mine, func(r *local.Runner) { log = r.Log.(*buffer) })
	log.waitFor(t, job, "\nrunning\n")
	before := ours(t)

	other := world.Job(`echo the other`)
	other.ID, other.JobInfo.InstanceUUID = mine.ID, "another-gitlab"
	runJobUnchecked(t, other).succeeded().quietCleanup().says("the other")
	out, err := exec.CommandContext(t.Context(), world.Binary, "--settings", world.Settings, "gc", "--verbose").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "its owner lives") {
		t.Errorf("gc: %v\n%s", err, out)
	}
	if after := ours(t); len(after) < len(before) {
		t.Errorf("of %d objects %d are left", len(before), len(after))
	}
	job.Cancel()
	finish(job.Wait()).quietCleanup()
}
