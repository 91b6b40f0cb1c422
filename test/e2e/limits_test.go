package e2e

import (
	"strings"
	"testing"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

func TestLimitsHoldAndAreNamed(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	limits := with(t, `
[limits.sidecar]
memory = "512m"
[limits.job]
memory = "64m"
cpus = 1.5
pids = 200
[limits.services]
memory = "32m"
pids = 10
[limits.helper]
memory = "100m"
`)
	t.Run("the job's own processes", func(t *testing.T) {
		runJobUnchecked(t, world.Job(
			`cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null || true`,
			`tail /dev/zero || exit 9`,
		), limits).failedWith(9).quietCleanup().
			says("\n200\n", "diagnosis: the job's script ran out of memory: the limit is 64 MB", "hint: ", "limits.job.memory").saysNot("docker daemon of this job, or")
	})
	t.Run("a container in the job's daemon", func(t *testing.T) {
		runJobUnchecked(t, world.Job(
			login,
			`docker run --rm $CI_REGISTRY/base/busybox tail /dev/zero || exit 9`,
		), limits).failedWith(9).quietCleanup().
			says("diagnosis: the docker daemon of this job, or a container or build in it, ran out of memory: the limit is 512 MB", "limits.sidecar.memory").saysNot("the job's script ran")
	})
	t.Run("a service", func(t *testing.T) {
		p := withServices(world.Job(`touch ../../eat; while [ ! -e ../../eaten ]; do sleep 0.05; done; exit 3`),
			local.Image{Name: rig.ImageBusybox, Alias: "eater", Command: []string{"sh", "-c", "while [ ! -e /builds/eat ]; do sleep 0.05; done; tail /dev/zero; touch /builds/eaten; sleep 300"}})
		runJobUnchecked(t, p, limits).failedWith(3).
			says("diagnosis: service "+rig.ImageBusybox+" ran out of memory: the limit is 32 MB", "limits.services.memory")
	})
	t.Run("a failure for another reason", func(t *testing.T) {
		runJobUnchecked(t, world.Job(`exit 3`), limits).failedWith(3).saysNot("diagnosis")
	})
}

func TestAnEngineThatHasFewerCPUs(t *testing.T) {
	r := runJob(t, world.Job(`true`), with(t, "[limits.job]\ncpus = 1000\n"))
	if r.State != local.SystemFailure || !strings.Contains(r.log, "hint: lower limits.job.cpus") {
		t.Fatalf("the job ended as %s", r.State)
	}
}

func TestAHostWithoutRoomTakesNoJob(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	r := runJobUnchecked(t, world.Job(`echo never`), with(t, "[admission]\nmin_free_disk = \"100000g\"\nwait = \"1s\"\n")).quietCleanup().
		says("waiting: ", " of disk are free, 97.66 TB are wanted\n", "error: this runner's host is too full to begin: ", "hint: make room").
		saysNot("\nnever", "using ")
	if r.State != local.SystemFailure || r.Attempts != 3 {
		t.Fatalf("the job ended as %s after %d attempts, want a system failure after 3", r.State, r.Attempts)
	}
}
