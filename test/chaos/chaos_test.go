package chaos

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/test/lab"
)

// The defaults are the short form, which runs with all other tests.
var (
	rounds   = flag.Int("rounds", 4, "how many jobs are broken")
	seed     = flag.Uint64("seed", 0, "repeats a run's faults; 0 is random")
	first    = flag.Int("first", 0, "the number of the first round, to repeat one of a long run")
	duration = flag.Duration("duration", 45*time.Second, "no round begins after this time")
	hits     = flag.Int("hits", 4, "how many faults must have hit at least")
	logs     = flag.Bool("logs", false, "show what the broken jobs say")
	restart  = flag.Bool("restart-engine", false, "also stall and restart the engine, if scripts/engine started it; whatever else runs there is killed")
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

// chaos is a run of rounds.
type chaos struct {
	t *testing.T
	// done counts the faults that hit a target, by kind.
	done   map[string]int
	small  string // a dind image with a small disk, "" without root
	device string
	hung   string // the address of a silent registry
	leaked int
}

// Each round breaks a job with faults at random moments. Then a few sweeps must bring the
// engine's lists back to their former state, and an unbroken job must work.
func TestChaos(t *testing.T) {
	s := cmp.Or(*seed, rand.Uint64())
	c := &chaos{t: t, done: map[string]int{}}
	c.smallDisk()
	c.hungRegistry()
	c.planter()
	// Leftovers of an earlier run, whose engine may have died, are no leak of the first round.
	c.command(t.Context(), world.Settings, "gc")
	began, n, worked := time.Now(), 0, 0
	for ; n < *rounds && time.Since(began) < *duration; n++ {
		c.round(*first+n, rand.New(rand.NewPCG(s, uint64(*first+n))))
		if c.next() {
			worked++
		}
	}
	total := 0
	var kinds []string
	for _, kind := range slices.Sorted(maps.Keys(c.done)) {
		total += c.done[kind]
		kinds = append(kinds, fmt.Sprintf("%d %s", c.done[kind], kind))
	}
	sum := fmt.Sprintf("%d rounds in %.0f s, %d faults hit, %d objects leaked, %d of %d following jobs worked; -seed %d repeats it",
		n, time.Since(began).Seconds(), total, c.leaked, worked, n, s)
	t.Attr("chaos", sum)
	t.Attr("faults", strings.Join(kinds, ", "))
	if total < *hits {
		t.Errorf("%d faults hit, want %d", total, *hits)
	}
}
