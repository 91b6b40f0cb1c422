package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// roundBound is how long one broken job may take, restBound how long the sweeps
// after it may.
const (
	roundBound = 150 * time.Second
	restBound  = 60 * time.Second
)

// round breaks one job and sweeps until nothing is left of it.
func (c *chaos) round(n int, rnd *rand.Rand) {
	ctx, cancel := context.WithTimeout(c.t.Context(), roundBound)
	defer cancel()
	began := time.Now()
	before, err := rig.Snapshot(ctx, world.Engine)
	if err != nil {
		c.t.Fatal(err)
	}
	p, settings := c.job(n)
	if p.JobInfo.Name == keptJob {
		c.command(ctx, settings, "pool", "fill")
	}
	m, err := world.StartMortal(ctx, settings, p)
	if err != nil {
		c.t.Fatal(err)
	}
	s := newStorm(c, m, p, n, rnd)
	pids := s.rage(ctx)
	m.Wait()
	await(ctx, pids)
	s.afterwards(ctx)
	if p.JobInfo.Name == keptJob && !c.works(settings) {
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
	// keptJob has what outlives jobs: a sandbox that waited, layers, a cache, a
	// mirror.
	keptJob      = "a job with what is kept"
	hungRegistry = "hung registry"
)

// job is what a round breaks: mostly an ordinary one, now and then one with a
// full disk or a registry that says nothing.
func (c *chaos) job(n int) (p local.Payload, settings string) {
	p = world.Job(
		`docker login -u $CI_REGISTRY_USER -p $CI_REGISTRY_PASSWORD $CI_REGISTRY 2>/dev/null`,
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
			layers = "off" // what the pool is filled with serves any project then
		}
		settings = c.settings("kept-"+layers+".toml", fmt.Sprintf(`
[cache]
volume = true
layers = %q
[pool]
size = 1
[mirror]
enabled = true
image = %q
remote = "https://%s"
`, layers, rig.ImageRegistry, world.Registry.Host))
		p.JobInfo.Name = keptJob
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

// await waits until hooks have ended that outlived their Runner, as those of a
// killed one do, and ends them when their time is over.
func await(ctx context.Context, pids []int) {
	for _, pid := range pids {
		bound := time.Now().Add(10 * time.Second)
		for syscall.Kill(-pid, 0) == nil {
			if time.Now().After(bound) || ctx.Err() != nil {
				_ = syscall.Kill(-pid, syscall.SIGKILL)
				bound = time.Now().Add(10 * time.Second)
			}
			time.Sleep(20 * time.Millisecond) // there is nothing to wait on: they are nobody's children
		}
	}
}

// command runs one of the executor's for an admin. What it says is of interest
// where a round leaves something.
func (c *chaos) command(ctx context.Context, settings string, args ...string) string {
	out, err := exec.CommandContext(ctx, world.Binary, append([]string{"--settings", settings}, args...)...).CombinedOutput()
	return fmt.Sprintf("%s said: %s (%v)\n", strings.Join(args, " "), out, err)
}

// rest sweeps until the engine's objects are what they were, and returns what
// then still differs. What is kept on purpose is told to go first.
func (c *chaos) rest(before rig.Objects, settings string) (diff string) {
	ctx, cancel := context.WithTimeout(c.t.Context(), restBound)
	defer cancel()
	for {
		said := c.command(ctx, settings, "gc", "--verbose")
		if settings != world.Settings {
			said += c.command(ctx, settings, "pool", "drain") + c.command(ctx, settings, "gc", "--caches", "--older-than", "0s") +
				c.command(ctx, settings, "mirror", "remove")
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

// next runs a job that nobody breaks.
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
