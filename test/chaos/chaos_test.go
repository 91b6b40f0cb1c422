//go:build chaos

package chaos

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

var (
	rounds   = flag.Int("rounds", 5, "how many jobs are broken")
	faults   = flag.Int("faults", 4, "how many faults are tried in each round")
	seed     = flag.Uint64("seed", 0, "repeats a run; 0 is random")
	duration = flag.Duration("duration", 10*time.Minute, "no round begins after this time")
	restart  = flag.Bool("restart-engine", false, "also restart the engine, if scripts/engine started it; whatever else runs there is killed")
)

var world *lab.Lab

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if code, mortal := lab.MortalMain(); mortal {
		return code
	}
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var err error
	if world, err = lab.New(ctx, lab.Options{}); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	code := m.Run()
	if err := world.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	return code
}

// roundBound is how long one broken job may take, restBound how long the sweeps
// after it may.
const (
	roundBound = 90 * time.Second
	restBound  = 60 * time.Second
)

// chaos is a run of rounds.
type chaos struct {
	t      *testing.T
	rnd    *rand.Rand
	done   map[string]int
	small  string // a dind image with a small disk
	device string
	leaked int
}

func TestChaos(t *testing.T) {
	s := cmp.Or(*seed, rand.Uint64())
	c := &chaos{t: t, rnd: rand.New(rand.NewPCG(s, 0)), done: map[string]int{}}
	c.smallDisk()
	began, n, worked := time.Now(), 0, 0
	for ; n < *rounds && time.Since(began) < *duration; n++ {
		c.round(n)
		if c.next() {
			worked++
		}
	}
	total := 0
	var kinds []string
	for _, kind := range slices.Sorted(maps.Keys(c.done)) {
		total += c.done[kind]
		kinds = append(kinds, fmt.Sprintf("  %4d %s", c.done[kind], kind))
	}
	fmt.Printf("chaos: %d rounds in %.0f s, %d faults:\n%s\nchaos: %d objects leaked, %d of %d following jobs worked; -seed %d repeats it\n",
		n, time.Since(began).Seconds(), total, strings.Join(kinds, "\n"), c.leaked, worked, n, s)
}

// round breaks one job and sweeps until nothing is left of it.
func (c *chaos) round(n int) {
	ctx, cancel := context.WithTimeout(c.t.Context(), roundBound)
	defer cancel()
	began := time.Now()
	before, err := rig.Snapshot(ctx, world.Engine)
	if err != nil {
		c.t.Fatal(err)
	}
	p, settings := c.job(n)
	m, err := world.StartMortal(ctx, settings, p)
	if err != nil {
		c.t.Fatal(err)
	}
	plan := make([]fault, *faults)
	for i := range plan {
		plan[i] = c.draw(n)
	}
	hooks := c.inject(ctx, m, plan)
	m.Wait()
	await(ctx, hooks)
	for kind, sign := range map[string]string{"full disk": "no space left on device", "hung registry": "error: image "} {
		if p.JobInfo.Name == kind && strings.Contains(strings.ToLower(m.Log()), sign) {
			c.done[kind]++
		}
	}
	if testing.Verbose() {
		c.t.Logf("round %d, a job with %s: %.1f s, %v", n, p.JobInfo.Name, time.Since(began).Seconds(), plan)
	}
	if diff := c.rest(before); diff != "" {
		c.leaked += strings.Count(diff, "\n")
		c.t.Errorf("round %d (%v) left:\n%s\nthe job said:\n%s", n, plan, diff, m.Log())
	}
}

// job is what a round breaks: mostly an ordinary one, now and then one with a
// full disk or a registry that says nothing.
func (c *chaos) job(n int) (p local.Payload, settings string) {
	p = world.Job(
		`docker login -u $CI_REGISTRY_USER -p $CI_REGISTRY_PASSWORD $CI_REGISTRY 2>/dev/null`,
		`docker build -q .`, `docker run --rm $CI_REGISTRY/base/busybox true`)
	p.RunnerInfo.Timeout = 30
	settings = world.Settings
	switch n % 5 {
	case 2:
		p.Services[0].Name = c.small
		p.Steps[0].Script = []string{
			p.Steps[0].Script[0],
			`docker run --rm $CI_REGISTRY/base/busybox dd if=/dev/zero of=/full bs=1M count=200`,
		}
		c.format()
		p.JobInfo.Name = "full disk"
	case 4:
		p.Image.Name = c.hungRegistry() + "/hung/image:1"
		settings = c.settings("hung.toml", "[pull]\ntimeout = \"2s\"\nattempts = 1\n")
		p.JobInfo.Name = "hung registry"
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

// rest sweeps until the engine's objects are what they were, and returns what
// then still differs.
func (c *chaos) rest(before rig.Objects) (diff string) {
	ctx, cancel := context.WithTimeout(c.t.Context(), restBound)
	defer cancel()
	for {
		out, err := exec.CommandContext(ctx, world.Binary, "--settings", world.Settings, "gc", "--verbose").CombinedOutput()
		after, listErr := rig.Snapshot(ctx, world.Engine)
		if listErr == nil {
			if diff = rig.Diff(before, after); diff == "" {
				return ""
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Sprintf("%sgc said: %s (%v)\n", diff, out, err)
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
	ctx, cancel := context.WithTimeout(c.t.Context(), roundBound)
	defer cancel()
	var log strings.Builder
	r := world.Runner()
	r.Log = &log
	res := r.Run(ctx, world.Job(`docker version >/dev/null && echo it works`))
	if res.State != local.Success || !strings.Contains(log.String(), "\nit works\n") {
		c.t.Errorf("the following job ended as %s: %v\n%s", res.State, res.Err, log.String())
		return false
	}
	if diff := c.rest(before); diff != "" {
		c.leaked += strings.Count(diff, "\n")
		c.t.Errorf("the following job left:\n%s", diff)
	}
	return true
}
