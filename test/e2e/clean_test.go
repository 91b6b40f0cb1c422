package e2e

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// The removal of very many files takes seconds. The job's status does not wait
// for it; what is left has no network, and a sweep behind the hook removes it.
func TestTheJobDoesNotWaitForWhatIsLongToRemove(t *testing.T) {
	rig.Unchanged(t, world.Engine) // which waits for the sweep
	r := runJobUnchecked(t, world.Job(
		`mkdir ../many && cd ../many && mkdir 0 && head -c 8000000 /dev/zero | split -a 5 -b 8000 - 0/`,
		`for i in $(seq 60); do cp -r 0 $i; done`,
	)).succeeded().quietCleanup()
	left := ours(t)
	for _, phase := range r.Phases {
		if phase.Kind == local.Cleanup {
			t.Logf("cleanup took %s and left %d objects to the sweep", phase.Duration, len(left))
			if phase.Duration > 4*time.Second {
				t.Errorf("cleanup took %s", phase.Duration)
			}
		}
	}
	for name, l := range left {
		if !slices.Contains([]string{"builds", "data", "job", "helper", "sidecar"}, l["gitlab-dind-executor.role"]) {
			t.Errorf("%s is left, which is no orphan", name)
		}
	}
}

// A sandbox whose Runner is in another place, with the same job id at another
// GitLab: a cleanup and a sweep here leave it.
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
