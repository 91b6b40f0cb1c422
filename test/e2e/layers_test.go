package e2e

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types"

	"gitlab-dind-executor/driver/host"
	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// cachingLayers makes the hooks keep layers, and removes the layers when the test ends. Call it
// after rig.Unchanged.
func cachingLayers(t *testing.T, more ...string) func(*local.Runner) {
	t.Helper()
	t.Cleanup(func() { gcWith(t, "--caches", "--older-than", "0s") })
	return under(settingsWith(t, "[cache]\nvolume = false\nlayers = \"project\"\n"+strings.Join(more, "\n")))
}

const build = `docker build --progress=plain -t $CI_REGISTRY_IMAGE:layers .`

func TestLayersAreForTheJobsOfTheirScopeAlone(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	with := cachingLayers(t)
	empty := `echo "there are $(docker ps -aq | wc -l) containers, $(docker volume ls -q | wc -l) volumes, $(docker network ls -q | wc -l) networks"`
	first := world.Job(login, build, `docker run --rm $CI_REGISTRY_IMAGE:layers`,
		`DOCKER_BUILDKIT=0 docker build -q -t old .`,
		`docker run -d --restart=always --name always $CI_REGISTRY/base/busybox sleep 1000`,
		`docker run -d --name runs -v vol:/v $CI_REGISTRY/base/busybox sh -c 'echo secret > /v/x; sleep 1000'`,
		`docker create --name made $CI_REGISTRY/base/busybox`,
		`docker volume create other && docker network create net`, empty)
	runJobUnchecked(t, first, with).succeeded().quietCleanup().saysNot("CACHED").
		says("there are 3 containers, 2 volumes, 4 networks", "no layers yet (cached from now on)")

	sweptBehind(t)
	second := world.Job(empty, login, build, `docker run --rm $CI_REGISTRY_IMAGE:layers`,
		`DOCKER_BUILDKIT=0 docker build -t old .`, `docker run --rm -v vol:/v $CI_REGISTRY/base/busybox ls -A /v && docker network create net`)
	runJobUnchecked(t, second, with).succeeded().quietCleanup().
		says("there are 0 containers, 0 volumes, 3 networks", "CACHED", "hello from version 1.0", "Using cache", "layers reused")

	unprotected := false
	// No job may find the layers of the jobs before it either.
	for _, c := range []struct {
		name   string
		change func(*local.Payload)
	}{
		{"an unprotected ref", func(p *local.Payload) { p.GitInfo.Protected = &unprotected }},
		{"another project", func(p *local.Payload) { p.JobInfo.ProjectID = 43 }},
		{"another GitLab", func(p *local.Payload) { p.JobInfo.InstanceUUID = "another" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := world.Job(`echo "images: $(docker images -q | wc -l)"`, login, build)
			c.change(&p)
			runJobUnchecked(t, p, with).succeeded().quietCleanup().
				says("\nimages: 0\n", "no layers yet").saysNot("CACHED")
		})
	}
}

// cachedLayers are the data roots that the engine has for daemons, by name.
func cachedLayers(t *testing.T) []string {
	t.Helper()
	var names []string
	for name, l := range labelsOf(t, "") {
		if l["gitlab-dind-executor.role"] == "data" && l["gitlab-dind-executor.sandbox"] == "" && !strings.HasSuffix(name, "-99") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestJobsAtOnceHaveLayersOfTheirOwn(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	with := cachingLayers(t)
	load := login + ` && docker pull -q $CI_REGISTRY/base/busybox && docker images -q | wc -l`
	var log *buffer
	first, finish := startJob(t.Context(), t, world.Job(load, `echo running; sleep 300`), with, func(r *local.Runner) { log = r.Log.(*buffer) })
	log.waitFor(t, first, "\nrunning\n")
	runJobUnchecked(t, world.Job(`echo "images: $(docker images -q | wc -l)"`, load), with).succeeded().quietCleanup().
		says("\nimages: 0\n", "no layers free (other jobs use them; these are cached as well)")
	if n := len(cachedLayers(t)); n != 2 {
		t.Errorf("%d data roots are kept, want 2", n)
	}
	said := gcWith(t, "--caches", "--older-than", "0s", "--dry-run")
	if strings.Count(said, "would remove layers dind-data-")-strings.Count(said, "-99 of ") != 1 { // no job has a base
		t.Errorf("gc would touch the layers of a running job: %s", said)
	}
	first.Cancel()
	finish(first.Wait()).quietCleanup()
	runJobUnchecked(t, world.Job(`echo "images: $(docker images -q | wc -l)"`), with).succeeded().says("\nimages: 1\n", "layers reused")
}

// The engine's volumes may share blocks. There, jobs at once and first jobs of other refs begin
// with a copy of the layers of protected refs, and find all steps. Elsewhere they begin without
// layers.
func TestJobsAtOnceAndOtherRefsBeginWithACopy(t *testing.T) {
	if !long() {
		return
	}
	rig.Unchanged(t, world.Engine)
	t.Cleanup(func() { gcWith(t, "--caches", "--older-than", "0s") })
	with := under(settingsWith(t, "[cache]\nvolume = false\nlayers = \"inherit\"\n"))
	info, err := world.Engine.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	shares := host.SharesBlocks(info.DockerRootDir)
	t.Logf("files in %s share blocks: %t", info.DockerRootDir, shares)
	runJobUnchecked(t, world.Job(login, build), with).succeeded().quietCleanup().saysNot("CACHED")
	sweptBehind(t)
	var log *buffer
	first, finish := startJob(t.Context(), t, world.Job(`echo running; sleep 300`), with, func(r *local.Runner) { log = r.Log.(*buffer) })
	log.waitFor(t, first, "\nrunning\n")
	unprotected := world.Job(login, build, `docker run --rm $CI_REGISTRY_IMAGE:layers`)
	no := false
	unprotected.GitInfo.Protected = &no
	for _, p := range []local.Payload{world.Job(login, build, `docker run --rm $CI_REGISTRY_IMAGE:layers`), unprotected} {
		job := runJobUnchecked(t, p, with).succeeded().quietCleanup().says("hello from version 1.0")
		if shares {
			job.says("CACHED", "layers copied")
		} else {
			job.saysNot("CACHED").says("no layers")
		}
	}
	first.Cancel()
	finish(first.Wait()).quietCleanup()
}

// Files that cannot be cleared are left aside. Layers on which no daemon comes up are thrown
// away: the job gets a new sidecar, and a sweep removes the damaged sidecar.
func TestDamagedLayersServeNoJob(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	with := cachingLayers(t)
	// Each case goes on with the layers of the case before.
	for _, c := range []struct{ name, damage, says, layers string }{
		{
			"a daemon that does not start", `rm -rf /d/buildkit/cache.db && head -c 65536 /dev/zero | tr '\0' x >/d/buildkit/cache.db`,
			"the layers of earlier jobs are damaged and thrown away (the docker daemon exited with code 1); going on without",
			"no layers (they were damaged; cached anew)",
		},
		{
			"data that no daemon leaves", `rm -rf /d/image/overlay2/layerdb && echo x > /d/image/overlay2/layerdb`,
			"", "no layers",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			runJobUnchecked(t, world.Job(login, build), with).succeeded().quietCleanup()
			gcWith(t)
			breakVolume(t, cachedLayers(t)[0], c.damage)
			job := runJobUnchecked(t, world.Job(login, build), with).succeeded().quietCleanup().
				says(c.layers).saysNot("CACHED")
			if c.says != "" {
				job.says(c.says, " ready")
			}
			gcWith(t)
			runJobUnchecked(t, world.Job(login, build), with).succeeded().quietCleanup()
			runJobUnchecked(t, world.Job(login, build), with).succeeded().quietCleanup().says("CACHED", "layers reused")
			gcWith(t)
			if kept := cachedLayers(t); len(kept) != 1 {
				t.Errorf("kept are %q", kept)
			}
		})
	}
}

// breakVolume runs a shell command with a volume at /d.
func breakVolume(t *testing.T, volume, command string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "docker", "run", "--rm", "-v", volume+":/d", "--network", "none",
		"--entrypoint", "sh", rig.ImageBusybox, "-c", command).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// A job can write any file into its data root, such as names that keep more than images for the
// next job.
func TestAJobCannotLeaveARunningContainerByATrick(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	with := cachingLayers(t)
	runJobUnchecked(t, world.Job(login, `docker run -d --restart=always $CI_REGISTRY/base/busybox sleep 1000`,
		`docker run --rm -v /var/lib/docker:/d $CI_REGISTRY/base/busybox sh -c 'cd /d/image && mkdir containers "x containers network y"'`,
	), with).succeeded().quietCleanup()
	runJobUnchecked(t, world.Job(`echo "containers: $(docker ps -aq | wc -l)"`), with).succeeded().quietCleanup().
		says("\ncontainers: 0\n", "layers reused")
}

func TestLayersOfAKilledSidecarServeTheNextJob(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	with := cachingLayers(t)
	var log *buffer
	job, finish := startJob(t.Context(), t, world.Job(login, build,
		`docker run -d --restart=always $CI_REGISTRY/base/busybox sleep 1000`,
		`echo running; while docker version >/dev/null 2>&1; do sleep 0.1; done; exit 7`,
	), with, func(r *local.Runner) { log = r.Log.(*buffer) })
	log.waitFor(t, job, "\nrunning\n")
	for name := range ours(t) {
		if strings.HasSuffix(name, "-sidecar") {
			if err := world.Engine.ContainerKill(t.Context(), name, "KILL"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if ended := finish(job.Wait()).quietCleanup(); ended.State != local.SystemFailure {
		t.Errorf("the job ended as %s", ended.State) // somebody else has ended the job's daemon
	}
	sweptBehind(t)
	runJobUnchecked(t, world.Job(`echo "containers: $(docker ps -aq | wc -l)"`, login, build), with).succeeded().quietCleanup().
		says("\ncontainers: 0\n", "CACHED", "layers reused")
}

// Each privilege, and each command, has layers of its own. Another daemon's layers are not
// touched. Files that were moved aside are removed while the next jobs run.
func TestLayersOfEveryKindOfDaemon(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	t.Cleanup(func() { gcWith(t, "--caches", "--older-than", "0s") })
	kinds := map[string]struct {
		privilege, image string
		services         []local.Image
	}{
		"privileged":  {"privileged", rig.ImageDind, nil},
		"reduced":     {"reduced", rig.ImageDind, nil},
		"rootless":    {"rootless", rig.ImageRootless, nil},
		"before 2023": {"privileged", rig.ImageDind, []local.Image{{Name: rig.ImageOldDind, Command: []string{"--debug"}}}},
	}
	if !long() {
		delete(kinds, "reduced")
		delete(kinds, "before 2023")
	}
	t.Run("each", func(t *testing.T) {
		for name, k := range kinds {
			t.Run(name, func(t *testing.T) {
				with := under(settingsWith(t, fmt.Sprintf("[cache]\nvolume = false\nlayers = \"project\"\n[[policy]]\nsidecar.privilege = %q\nsidecar.image = %q\n", k.privilege, k.image)))
				job := func(script ...string) local.Payload {
					p := world.Job(script...)
					p.Services = k.services
					return p
				}
				first := runJobUnchecked(t, job(login, build, `docker info -f 'store {{.DriverStatus}}'`, `docker run -d -v v:/v $CI_REGISTRY/base/busybox sh -c "mkdir /v/x; touch /v/x/y; chown -R 7:7 /v; sleep 1000"`), with).
					succeeded().quietCleanup().says("no layers yet").saysNot("CACHED")
				found := func(r ran) {
					t.Helper()
					// Without root ctr is missing, which could take the names. So the store
					// begins anew.
					if k.privilege == "rootless" && strings.Contains(first.log, "store [[driver-type io.containerd.snapshotter") {
						r.saysNot("CACHED")
					} else {
						r.says("CACHED")
					}
				}
				sweptBehind(t)
				found(runJobUnchecked(t, job(`echo "containers: $(docker ps -aq | wc -l) volumes: $(docker volume ls -q | wc -l)"`, login, build,
					`docker run --name app $CI_REGISTRY_IMAGE:layers`), with).
					succeeded().quietCleanup().says("\ncontainers: 0 volumes: 0\n", "hello from version 1.0", "layers reused"))
				if name != "privileged" {
					return // a third job is the same for all
				}
				sweptBehind(t)
				found(runJobUnchecked(t, job(`docker ps -a`, login, build), with).succeeded().quietCleanup().says("layers reused"))
			})
		}
	})
	if kept := cachedLayers(t); len(kept) != len(kinds) {
		t.Errorf("kept are %q, want one of each kind", kept)
	}
	for _, name := range cachedLayers(t) {
		out, err := exec.CommandContext(t.Context(), "docker", "run", "--rm", "-v", name+":/d", "--network", "none",
			"--entrypoint", "sh", rig.ImageBusybox, "-c", "find /d/.gone 2>/dev/null | wc -l; ls /d/overlay2 | wc -l").CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		t.Logf("%s: %s", name, strings.Fields(string(out)))
	}
}

func TestLayersGoBySizeAndAge(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	with := cachingLayers(t)
	unprotected := false
	p := world.Job(login, build)
	p.GitInfo.Protected = &unprotected
	runJobUnchecked(t, p, with).succeeded()
	runJobUnchecked(t, world.Job(login, build), with).succeeded()
	kept := cachedLayers(t)
	if len(kept) != 2 {
		t.Fatalf("kept are %q", kept)
	}
	if said := gcWith(t, "--caches"); said != "nothing to remove\n" {
		t.Errorf("gc said: %s", said)
	}
	// The least recently used layers are above the bound.
	usage, err := world.Engine.DiskUsage(t.Context(), types.DiskUsageOptions{Types: []types.DiskUsageObject{types.VolumeObject}})
	if err != nil {
		t.Fatal(err)
	}
	all := int64(0)
	for _, v := range usage.Volumes {
		if slices.Contains(kept, v.Name) {
			all += v.UsageData.Size
		}
	}
	if said := gcWith(t, "--caches", "--max-size", fmt.Sprintf("%dk", all*3/4/1000)); strings.Count(said, "\n") != 1 ||
		!strings.Contains(said, "/42/unprotected/"+lab.Installation+" (group/app), ") || !strings.Contains(said, " MB: all caches and layers take ") {
		t.Errorf("gc said: %s", said)
	}
	if left := cachedLayers(t); len(left) != 1 {
		t.Errorf("left are %q of %q", left, kept)
	}
	if said := gcWith(t, "--caches", "--older-than", "0s"); !strings.Contains(said, "/42/protected/"+lab.Installation+" (group/app)") {
		t.Errorf("gc said: %s", said)
	}
}

// Nobody needs to call gc. The end of a job does, behind the job and not each time.
func TestWhatIsCachedIsLookedAfterBehindJobs(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	with, state := cachingLayers(t, `max_age = "1ms"`), withState(t.TempDir())
	runJobUnchecked(t, world.Job(`true`), with, state).succeeded().quietCleanup()
	until(t, "the end of the layers", func() bool { return len(cachedLayers(t)) == 0 })
	runJobUnchecked(t, world.Job(`true`), with, state).succeeded().quietCleanup()
	if kept := cachedLayers(t); len(kept) != 1 {
		t.Errorf("kept are %q", kept)
	}
}

func TestLayersGoWhenTheDiskIsShort(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	with := cachingLayers(t)
	runJobUnchecked(t, world.Job(`true`), with).succeeded()
	short := under(settingsWith(t, "[cache]\nvolume = false\nlayers = \"project\"\n[admission]\nmin_free_disk = \"1000000g\"\nwait = \"0s\"\n"))
	runJobUnchecked(t, world.Job(`true`), short).quietCleanup().
		says("the disk is short: layers of other jobs are removed", "this runner's host is too full to begin")
	if kept := cachedLayers(t); len(kept) != 0 {
		t.Errorf("kept are %q", kept)
	}
}

// A sandbox of the pool for jobs of a scope has a data root of the scope, leased as a job's is.
func TestSandboxesThatWaitHaveTheLayersOfTheirScope(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	p := &pool{t, settingsWith(t, "[cache]\nvolume = false\nlayers = \"project\"\n[pool]\nsize = 1\n")}
	t.Cleanup(func() {
		p.rest()
		p.command("drain")
		gcWith(t, "--caches", "--older-than", "0s")
	})
	with := under(p.settings)
	var log *buffer
	first, finish := startJob(t.Context(), t, world.Job(login, build, `echo built; sleep 300`), with, func(r *local.Runner) { log = r.Log.(*buffer) })
	log.waitFor(t, first, "\nbuilt\n")
	p.rest() // nothing is made ahead while the first job has its layers
	first.Cancel()
	finish(first.Wait()).quietCleanup()
	p.rest()
	for range 2 {
		runJobUnchecked(t, world.Job(login, build), with).succeeded().quietCleanup().says("(from the pool)", "layers reused")
		p.rest()
	}
	if kept := cachedLayers(t); len(kept) != 1 {
		t.Errorf("kept are %q", kept)
	}
	unprotected := false
	other := world.Job(`echo "images: $(docker images -q | wc -l)"`)
	other.GitInfo.Protected = &unprotected
	runJobUnchecked(t, other, with).succeeded().quietCleanup().says("no sandbox of its kind was waiting", "\nimages: 0\n", "no layers yet")
}
