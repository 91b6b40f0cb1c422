package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// pool is a pool that a test uses and empties.
type pool struct {
	t        *testing.T
	settings string
}

// startPool fills a pool of the given size, and empties it at the end.
func startPool(t *testing.T, size, more string) *pool {
	t.Helper()
	p := emptyPool(t, size, more)
	p.command("fill")
	return p
}

// emptyPool is a pool that a test fills itself.
func emptyPool(t *testing.T, size, more string) *pool {
	t.Helper()
	rig.Unchanged(t, world.Engine)
	p := &pool{t, settingsWith(t, "[pool]\nsize = "+size+"\n"+more)}
	t.Cleanup(func() {
		p.rest()
		p.command("drain")
	})
	return p
}

func (p *pool) command(args ...string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), rig.Slower(time.Minute))
	defer cancel()
	out, err := exec.CommandContext(ctx, world.Binary, append([]string{"--settings", p.settings, "pool"}, args...)...).CombinedOutput()
	if err != nil {
		p.t.Errorf("pool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// rest waits until nothing fills the pool behind a job any more.
func (p *pool) rest() {
	p.t.Helper()
	awaitProcesses(p.t, "--from-stdin\x00--settings\x00"+p.settings)
}

// sweptBehind waits until no sweep goes on behind a job. A job right behind another may find
// its layers in use by the sweep, and then goes on without layers.
func sweptBehind(t *testing.T) {
	t.Helper()
	removedBehind(t)
	awaitProcesses(t, "gitlab-dind-executor\x00gc\x00")
}

// removedBehind waits until no removal of an ended job goes on.
func removedBehind(t *testing.T) {
	t.Helper()
	awaitProcesses(t, "gitlab-dind-executor\x00finish\x00")
}

// awaitProcesses waits until no process of this host has the line in its command line.
func awaitProcesses(t *testing.T, line string) {
	t.Helper()
	deadline := time.Now().Add(rig.Slower(time.Minute))
	for {
		busy := false
		all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, file := range all {
			text, err := os.ReadFile(file)
			busy = busy || err == nil && strings.Contains(string(text), line)
		}
		if !busy {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("in vain: a process still runs with %q", line)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// waiting lists the waiting sandboxes, the oldest first. They are those of a dind image, or all
// for "".
func (p *pool) waiting(image string) (found []string) {
	p.t.Helper()
	p.rest()
	for line := range strings.Lines(p.command("status")) {
		f := strings.Fields(line)
		if len(f) > 3 && f[len(f)-1] == "waits" && (image == "" || f[1] == image) {
			found = append(found, f[0])
		}
	}
	return found
}

// one is the only waiting sandbox.
func (p *pool) one() string {
	p.t.Helper()
	found := p.waiting("")
	if len(found) != 1 {
		p.t.Fatalf("%d sandboxes wait, want one", len(found))
	}
	return found[0]
}

// run runs a job and returns it with its sandbox.
func (p *pool) run(job local.Payload) (ran, string) {
	p.t.Helper()
	r := runJobUnchecked(p.t, job, under(p.settings))
	m := regexp.MustCompile(`Running on dind-([0-9a-f]{12})`).FindStringSubmatch(r.log)
	if m == nil {
		p.t.Fatalf("the job log names no sandbox:\n%s", r.log)
	}
	return r, m[1]
}

// plainJob is a job without services, the kind for which the pool is filled at first.
func plainJob(script ...string) local.Payload {
	p := world.Job(script...)
	p.Services = nil
	return p
}

func TestAJobTakesASandboxThatWaits(t *testing.T) {
	p := startPool(t, "1", "")
	first := p.one()
	r, sandbox := p.run(plainJob(
		login,
		`docker build -t $CI_REGISTRY_IMAGE:pool .`, `docker push $CI_REGISTRY_IMAGE:pool`,
		`docker run --rm -v $PWD:/src $CI_REGISTRY/base/busybox cat /src/Dockerfile`,
		`docker run --rm -d --name left $CI_REGISTRY/base/busybox sleep 300`,
	))
	r.succeeded().quietCleanup().says(" ready", "(from the pool)", "FROM", "Docker daemon: from the pool")
	if sandbox != first {
		t.Fatalf("the job ran in %s, and %s waited", sandbox, first)
	}
	second := p.one()
	if second == first {
		t.Fatal("a sandbox that a job has had waits again")
	}
	r, sandbox = p.run(plainJob(`docker ps -aq | wc -l`, `docker images -q | wc -l`, byAddress))
	r.succeeded().quietCleanup().says("(from the pool)", "\n0\n", "\n0\n", "\nby address linux\n")
	if sandbox != second {
		t.Fatalf("the job ran in %s, and %s waited", sandbox, second)
	}
}

// halfFull is a pool in the middle of its filling, when the network of a sandbox exists.
func halfFull(t *testing.T) (p *pool, filling *exec.Cmd, sandbox string) {
	t.Helper()
	p = emptyPool(t, "1", "")
	filling = exec.CommandContext(t.Context(), world.Binary, "--settings", p.settings, "pool", "fill")
	if err := filling.Start(); err != nil {
		t.Fatal(err)
	}
	ahead := network.ListOptions{Filters: filters.NewArgs(filters.Arg("label", "gitlab-dind-executor.spec"), filters.Arg("label", "gitlab-dind-executor.deadline"))}
	deadline := time.Now().Add(rig.Slower(30 * time.Second))
	for sandbox == "" {
		list, err := world.Engine.NetworkList(t.Context(), ahead)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("no sandbox is being made: %v", err)
		}
		if len(list) > 0 {
			sandbox = list[0].Labels["gitlab-dind-executor.sandbox"]
		}
		time.Sleep(5 * time.Millisecond)
	}
	return p, filling, sandbox
}

func TestAJobTakesASandboxThatIsBeingMade(t *testing.T) {
	p, filling, making := halfFull(t)
	r, sandbox := p.run(plainJob(`docker ps -aq | wc -l`, byAddress))
	r.succeeded().quietCleanup().says("(from the pool)", "\n0\n", "\nby address linux\n")
	if sandbox != making {
		t.Errorf("the job ran in %s, and %s was being made", sandbox, making)
	}
	if err := filling.Wait(); err != nil {
		t.Errorf("who filled the pool: %v", err)
	}
}

func TestAJobGoesColdWhenWhoMakesItsSandboxIsKilled(t *testing.T) {
	p, filling, making := halfFull(t)
	t.Cleanup(func() { gcWith(t) }) // where the job's sweep was cut short
	if err := filling.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = filling.Wait() // it was killed
	r, sandbox := p.run(plainJob(`docker version -f ok`))
	r.succeeded().quietCleanup().says("(new daemon")
	if sandbox == making {
		t.Error("the job ran in a sandbox that nobody has finished")
	}
}

func TestAJobOfAnotherKindGoesColdAndIsWaitedForNext(t *testing.T) {
	p := startPool(t, "1", "")
	other := world.Job(`docker info --format '{{.RegistryConfig.Mirrors}}'`)
	other.Services[0].Command = []string{"--registry-mirror=http://127.0.0.1:9"}
	r, _ := p.run(other)
	r.succeeded().says("(new daemon: no sandbox of its kind was waiting)", "127.0.0.1:9")
	p.one()
	r, _ = p.run(other)
	r.succeeded().says("(from the pool)", "127.0.0.1:9")
}

func TestTwoJobsNeverShareASandboxThatWaits(t *testing.T) {
	p := startPool(t, "1", "")
	p.one()
	type result struct {
		log   string
		state local.State
	}
	results := make(chan result, 3)
	for range cap(results) {
		var log buffer
		r := world.Runner()
		r.Log = &log
		under(p.settings)(r)
		job := r.Start(t.Context(), plainJob(`docker ps -aq | wc -l`, `hostname`))
		go func() {
			res := job.Wait()
			results <- result{log.String(), res.State}
		}()
	}
	warm := 0
	var sandboxes []string
	for range cap(results) {
		r := <-results
		if r.state != local.Success {
			t.Errorf("a job ended as %s:\n%s", r.state, r.log)
		}
		if strings.Contains(r.log, "(from the pool)") {
			warm++
		}
		if m := regexp.MustCompile(`Running on dind-([0-9a-f]{12})`).FindStringSubmatch(r.log); m != nil {
			sandboxes = append(sandboxes, m[1])
		}
	}
	slices.Sort(sandboxes)
	if n := len(slices.Compact(sandboxes)); n != cap(results) || warm < 1 {
		t.Errorf("%d sandboxes for %d jobs, %d warm", n, cap(results), warm)
	}
}

// A removal by somebody must not make a used sandbox look like a waiting sandbox.
func TestAUsedSandboxIsNotTakenThoughItsJobContainerIsGone(t *testing.T) {
	p := startPool(t, "1", "")
	used := p.one()
	var next string
	r := runJobUnchecked(t, plainJob(`docker ps`), under(p.settings), func(r *local.Runner) {
		r.OnHook = func(h local.Hook) {
			if h.Kind != "cleanup" || next != "" {
				return
			}
			if err := world.Engine.ContainerRemove(context.Background(), "dind-"+used+"-job", container.RemoveOptions{Force: true}); err != nil {
				t.Errorf("removing the job container: %v", err)
			}
			next = "removed"
		}
	})
	r.succeeded()
	// The cleanup finds nothing of the job. The sandbox is still there, and a job that takes it
	// sees that it was used.
	for range 3 {
		_, sandbox := p.run(plainJob(`true`))
		if sandbox == used {
			t.Fatal("a job was given a sandbox that another has had")
		}
	}
}

// A newly fetched dind image must not be ignored.
func TestASandboxOfAnOlderImageIsNotTaken(t *testing.T) {
	const name = "gitlab-dind-executor.test/docker:renewed"
	tag := func(base string) {
		t.Helper()
		if err := world.Engine.ImageTag(t.Context(), base, name); err != nil {
			t.Fatal(err)
		}
	}
	tag(rig.ImageDind)
	t.Cleanup(func() { rig.Untag(t, world.Engine, name) })
	p := startPool(t, "1", "")
	job := func() local.Payload { return images(world.Job(`docker version -f ok`), rig.ImageCLI, name) }
	p.run(job())
	if n := len(p.waiting(name)); n != 1 {
		t.Fatalf("%d sandboxes of the job's kind wait, want one", n)
	}
	tag(rig.Derive(t, world.Engine, rig.ImageDind, `LABEL renewed=yes`))
	r, _ := p.run(job())
	r.succeeded().says("(new daemon: the images are newer than the sandboxes that wait)")
	p.one()
	r, _ = p.run(job())
	r.succeeded().says("(from the pool)")
}

func TestASandboxThatDiedIsNotTaken(t *testing.T) {
	p := startPool(t, "1", "")
	dead := p.one()
	list, err := world.Engine.ContainerList(t.Context(), container.ListOptions{Filters: filters.NewArgs(
		filters.Arg("label", "gitlab-dind-executor.sandbox="+dead), filters.Arg("label", "gitlab-dind-executor.role=sidecar"))})
	if err != nil || len(list) != 1 {
		t.Fatalf("%d sidecars, %v", len(list), err)
	}
	// The daemon hangs: it runs, and answers nothing.
	if err := world.Engine.ContainerPause(t.Context(), list[0].ID); err != nil {
		t.Fatal(err)
	}
	r, sandbox := p.run(plainJob(`docker version -f ok`))
	r.succeeded().says("(new daemon")
	if sandbox == dead {
		t.Fatal("the job ran in the sandbox that hangs")
	}
}

func TestTheCacheIsThereInASandboxThatWaited(t *testing.T) {
	p := startPool(t, "1", "[cache]\nvolume = true\nlayers = \"off\"\n")
	t.Cleanup(func() { gcWith(t, "--caches", "--older-than", "0s") })
	cache := []local.Cache{{Key: "default", Paths: []string{"vendor/"}, Policy: "pull-push", When: "on_success"}}
	p.one()
	j := plainJob(`mkdir vendor; echo kept > vendor/dep`)
	j.Cache = cache
	r, _ := p.run(j)
	r.succeeded().quietCleanup().says("(from the pool)", "Created cache")
	p.one()
	j = plainJob(`cat vendor/dep`, `touch /cache/by-another-user`)
	j.Image.Name = rig.ImageBusybox
	j.Cache, j.Image.ExecutorOpts.Docker.User = cache, "65534"
	r, _ = p.run(j)
	r.succeeded().quietCleanup().says("(from the pool)", "Successfully extracted cache", "\nkept\n")
}

// Where layers are kept, waiting sandboxes have the layers of the job before.
func TestASandboxThatWaitsHasTheLayersJustBuilt(t *testing.T) {
	p := startPool(t, "1", "[cache]\nvolume = false\nlayers = \"project\"\n")
	t.Cleanup(func() {
		p.rest()
		p.command("drain") // the sandboxes have the layers
		gcWith(t, "--caches", "--older-than", "0s")
	})
	r, _ := p.run(plainJob(login, build))
	r.succeeded().quietCleanup().says("(new daemon: ", "no layers yet").saysNot("CACHED")
	waiting := p.one()
	r, sandbox := p.run(plainJob(login, build))
	r.succeeded().quietCleanup().says("(from the pool)", "CACHED", "layers reused")
	if sandbox != waiting {
		t.Errorf("the job ran in %s, and %s waited", sandbox, waiting)
	}
	if kept := cachedLayers(t); len(kept) != 1 {
		t.Errorf("kept are %q: one job at a time needs no more", kept)
	}
}
