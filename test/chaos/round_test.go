package chaos

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// roundBound bounds a single broken job, restBound the sweeps after the job.
const (
	roundBound = 150 * time.Second
	restBound  = 60 * time.Second
)

// round breaks a job and sweeps until nothing of the job is left.
func (c *chaos) round(n int, rnd *rand.Rand) {
	ctx, cancel := context.WithTimeout(c.t.Context(), roundBound)
	defer cancel()
	began := time.Now()
	before, err := rig.Snapshot(ctx, world.Engine)
	if err != nil {
		c.t.Fatal(err)
	}
	p, settings := c.job(n)
	if p.JobInfo.Name == cachingJob {
		c.command(ctx, settings, "pool", "fill")
	}
	// Without layers that outlive jobs, nobody meets the trees planted among them.
	planted := n%2 == 0 && os.Getenv(lab.Privilege) == "" && c.plants(settings, n)
	m, err := world.StartMortal(ctx, settings, p)
	if err != nil {
		c.t.Fatal(err)
	}
	seeded := func() int { return 0 }
	if p.JobInfo.Name == cachingJob {
		seeded = c.breakSeed(ctx, settings, time.Duration(rnd.IntN(5000))*time.Millisecond)
	}
	s := newStorm(c, m, p, n, rnd)
	pids := s.rage(ctx)
	m.Wait()
	if hits := seeded(); hits > 0 {
		s.hit[killedSeed] += hits
	}
	await(ctx, pids)
	s.afterwards(ctx)
	if planted {
		s.hit[plantedTree]++
	}
	if settings != world.Settings && p.JobInfo.Name != hungRegistry && !c.works(settings) {
		c.t.Errorf("round %d (%v): a job after it with what it left did not work", n, s.hit)
	}
	for name, sign := range map[string]string{fullDisk: "no space left on device", hungRegistry: "error: pulling image "} {
		if p.JobInfo.Name == name {
			s.hit[name] += strings.Count(strings.ToLower(m.Log()), sign)
		}
	}
	for kind, times := range s.hit {
		c.done[kind] += times
	}
	if testing.Verbose() {
		fmt.Printf("round %d, %s: %.1f s, %v\n", n, p.JobInfo.Name, time.Since(began).Seconds(), s.hit)
	}
	if *logs {
		fmt.Println(m.Log())
	}
	if diff := c.rest(before, settings); diff != "" {
		c.leaked += strings.Count(diff, "\n")
		c.t.Errorf("round %d (%v) left:\n%s\nthe job said:\n%s", n, s.hit, diff, m.Log())
	}
}

// The names of jobs that are faults themselves.
const (
	fullDisk = "full disk"
	// cachingJob uses everything that outlives jobs: a sandbox from the pool, layers, a cache,
	// a mirror.
	cachingJob   = "a job with what is cached"
	hungRegistry = "hung registry"
	// hostileJob leaves hostile trees among its layers, for the next job.
	hostileJob = "a hostile job"
)

// killedSeed is the fault in the making of a seed beside a job.
const killedSeed = "SIGKILL to the maker of a seed"

// breakSeed makes a seed beside a job, and kills the maker after a time. hits waits for the
// maker's end. Its result is the number of hits.
func (c *chaos) breakSeed(ctx context.Context, settings string, after time.Duration) (hits func() int) {
	cmd := exec.CommandContext(ctx, world.Binary, "--settings", settings, "seed")
	cmd.Env = append(os.Environ(), "DOCKER_CONFIG="+c.dockerConfig())
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	died, hit := make(chan error, 1), make(chan int, 1)
	go func() { died <- cmd.Wait() }()
	go func() {
		select {
		case <-died:
			hit <- 0 // the seed was ready, or another fault hit its maker
		case <-time.After(after): // the fault's random moment
			_ = cmd.Process.Kill()
			<-died
			hit <- 1
		}
	}()
	return func() int { return <-hit }
}

// dockerConfig makes a directory with the registry's password, as an admin's docker
// configuration.
func (c *chaos) dockerConfig() string {
	dir := c.t.TempDir()
	auth := base64.StdEncoding.EncodeToString([]byte(world.Registry.User + ":" + world.Registry.Password))
	text := fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, world.Registry.Host, auth)
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return dir
}

// job makes the job of a round. Most are ordinary. Now and then the job meets a full disk or a
// silent registry.
func (c *chaos) job(n int) (p local.Payload, settings string) {
	p = world.Job(
		lab.Login+` 2>/dev/null`,
		`docker build -q .`, `docker run --rm $CI_REGISTRY/base/busybox true`)
	p.Steps = append(p.Steps, local.Step{Name: "after_script", Script: []string{`docker version`}, Timeout: 20, When: "always"})
	p.RunnerInfo.Timeout = 25
	p.JobInfo.Name = "an ordinary job"
	lab.Set(&p, "GET_SOURCES_ATTEMPTS", "4")
	settings = world.Settings
	switch {
	case n%8 == 1 && c.small != "":
		p.Services[0].Name = c.small
		p.Steps[0].Script = []string{
			p.Steps[0].Script[0],
			`docker run --rm $CI_REGISTRY/base/busybox dd if=/dev/zero of=/full bs=1M count=200`,
		}
		c.format()
		p.JobInfo.Name = fullDisk
	case n%4 == 0:
		p.Services = nil
		layers := "project"
		if n%8 == 0 {
			layers = "off" // a sandbox of the pool serves any project then
		}
		settings = c.settings("cached-"+layers+".toml", fmt.Sprintf(`
[cache]
volume = true
layers = %q
seed_images = [%q]
[pool]
size = 1
bare = 1
[mirror]
enabled = true
image = %q
remote = "https://%s"
`, layers, world.Registry.Host+"/base/busybox", rig.ImageRegistry, world.Registry.Host))
		p.JobInfo.Name = cachingJob
	case n%4 == 2:
		settings = c.settings("planted.toml", "[cache]\nvolume = false\nlayers = \"project\"\n")
		p.JobInfo.Name = hostileJob
	case n%8 == 3:
		p.Image.Name = c.hung + "/hung/image:1"
		settings = c.settings("hung.toml", "[pull]\ntimeout = \"1s\"\nattempts = 1\n")
		p.JobInfo.Name = hungRegistry
	}
	return p, settings
}

func (c *chaos) settings(name, more string) string {
	file, err := world.WriteSettings(name, more)
	if err != nil {
		c.t.Fatal(err)
	}
	return file
}

// await waits for hooks that outlived their killed Runner. When their time is over, await kills
// them.
func await(ctx context.Context, pids []int) {
	for _, pid := range pids {
		bound := time.Now().Add(10 * time.Second)
		for syscall.Kill(-pid, 0) == nil {
			if time.Now().After(bound) || ctx.Err() != nil {
				_ = syscall.Kill(-pid, syscall.SIGKILL)
				bound = time.Now().Add(10 * time.Second)
			}
			time.Sleep(20 * time.Millisecond) // nothing to wait on, because the hooks are nobody's children
		}
	}
}

// command runs an admin's command of the executor. Its output is of interest where a round
// leaves something.
func (c *chaos) command(ctx context.Context, settings string, args ...string) string {
	out, err := exec.CommandContext(ctx, world.Binary, append([]string{"--settings", settings}, args...)...).CombinedOutput()
	return fmt.Sprintf("%s said: %s (%v)\n", strings.Join(args, " "), out, err)
}

// rest sweeps until the engine's objects are as before, and returns the remaining difference.
// With settings of a round it also removes the objects that outlive jobs.
func (c *chaos) rest(before rig.Objects, settings string) (diff string) {
	ctx, cancel := context.WithTimeout(c.t.Context(), restBound)
	defer cancel()
	for {
		said := c.command(ctx, settings, "gc", "--verbose")
		if settings != world.Settings {
			said += c.command(ctx, settings, "pool", "drain") + c.command(ctx, settings, "gc", "--caches", "--older-than", "0s") +
				c.command(ctx, settings, "mirror", "remove") + c.command(ctx, settings, "seed", "remove")
		}
		after, err := rig.Snapshot(ctx, world.Engine)
		if err == nil && behind("pool", "fill") == 0 {
			if diff = rig.Diff(before, after); diff == "" {
				return ""
			}
		}
		select {
		case <-ctx.Done():
			return diff + said
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// next runs an unbroken job.
func (c *chaos) next() bool {
	before, err := rig.Snapshot(c.t.Context(), world.Engine)
	if err != nil {
		c.t.Fatal(err)
	}
	worked := c.works(world.Settings)
	if diff := c.rest(before, world.Settings); diff != "" {
		c.leaked += strings.Count(diff, "\n")
		c.t.Errorf("the following job left:\n%s", diff)
	}
	return worked
}

// works runs a job and tells whether it worked at once.
func (c *chaos) works(settings string) bool {
	ctx, cancel := context.WithTimeout(c.t.Context(), roundBound)
	defer cancel()
	var log strings.Builder
	r := world.Runner()
	for _, args := range []*[]string{&r.ConfigArgs, &r.PrepareArgs, &r.RunArgs, &r.CleanupArgs} {
		*args = []string{"--settings", settings, (*args)[len(*args)-1]}
	}
	r.Log = &log
	p := world.Job(`docker version >/dev/null && echo it works`)
	p.Services = nil
	res := r.Run(ctx, p)
	if res.State != local.Success || res.Attempts != 1 || !strings.Contains(log.String(), "\nit works\n") {
		c.t.Errorf("the following job ended as %s after %d attempts: %v\n%s", res.State, res.Attempts, res.Err, log.String())
		return false
	}
	return true
}
