package chaos

import (
	"context"
	"math/rand/v2"
	"time"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/lab"
)

// The faults by name.
const (
	killHook      = "SIGKILL to a hook"
	killGroup     = "SIGKILL to a hook's process group"
	killRunner    = "SIGKILL to the Runner"
	killAll       = "SIGKILL to the Runner and the hook"
	killSidecar   = "docker kill sidecar"
	killHelper    = "docker kill helper"
	killJob       = "docker kill job"
	cutNetwork    = "cut network"
	holdVolume    = "volume in use at cleanup"
	killBehind    = "SIGKILL to the removal behind"
	killMirror    = "docker kill mirror"
	killFill      = "SIGKILL to the filling of the pool"
	stallEngine   = "engine stalled"
	restartEngine = "engine restart"
)

// fault is a failure some time after a hook has started.
type fault struct {
	kind  string
	after time.Duration
	// lasts is the duration of a passing fault.
	lasts time.Duration
}

// storm is the faults of a round. A random source of its own draws the faults hook by hook. So
// the same seed draws the same faults as long as the same hooks come by.
type storm struct {
	c   *chaos
	m   *lab.Mortal
	job string // the job's key in labels
	rnd *rand.Rand
	// name is the job's, and decides which hooks are spared.
	name string
	// doom is the stage for the Runner's death, "" for none.
	doom string
	// quake is the stage for a stall or restart of the engine, "" for none.
	quake, quakeKind string
	// long says: the job's builds volume cannot be removed for a while.
	long bool

	prepares int
	// release lets go of a held volume, nil if there is none.
	release func() error
	hit     map[string]int
}

func newStorm(c *chaos, m *lab.Mortal, p local.Payload, n int, rnd *rand.Rand) *storm {
	s := &storm{
		c: c, m: m, job: keyOf(p), rnd: rnd, name: p.JobInfo.Name,
		long: n%4 == 2, hit: map[string]int{},
	}
	// The death of a Runner ends its round, so most Runners live, or die late.
	s.doom = s.pick("", "", "", "", "prepare", "build_script", "after_script", "cleanup")
	if s.long || s.name != "an ordinary job" {
		s.doom = ""
	}
	s.quake = s.pick("prepare", "get_sources", "build_script", "build_script", "cleanup")
	switch {
	case *restart && n%10 == 5:
		s.quakeKind = restartEngine
	case *restart && n%10 == 8:
		s.quakeKind = stallEngine
	default:
		s.quake = ""
	}
	return s
}

func (s *storm) pick(kinds ...string) string { return kinds[s.rnd.IntN(len(kinds))] }

// after draws a fault of one of these kinds within a time.
func (s *storm) after(bound time.Duration, kinds ...string) fault {
	return fault{kind: s.pick(kinds...), after: time.Duration(s.rnd.Int64N(int64(bound))), lasts: time.Duration(500+s.rnd.IntN(4000)) * ms}
}

// chance is true with this probability, in percent.
func (s *storm) chance(percent int) bool { return s.rnd.IntN(100) < percent }

const ms = time.Millisecond

// draw decides which faults strike during a hook. Faults that the Runner tries again come
// often. Faults that end the job come seldom and late. In this way a round gets through many
// faults.
func (s *storm) draw(h local.Hook) (faults []fault) {
	place := h.Stage
	if place == "" {
		place = string(h.Kind)
	}
	add := func(percent int, f fault) {
		if s.chance(percent) {
			faults = append(faults, f)
		}
	}
	switch place {
	case "config":
		add(15, s.after(15*ms, killHook, killGroup))
	case "prepare":
		s.prepares++
		chance := 85
		if s.prepares == 3 {
			chance = 15
		}
		if s.name == fullDisk {
			chance = 0 // the disk must get full
		}
		add(chance, s.after(1800*ms, killHook, killHook, killGroup, killSidecar, killHelper, killJob, cutNetwork))
	case "prepare_script":
		add(10, s.after(100*ms, killHook, killGroup, killHelper))
	case "get_sources":
		if s.name != fullDisk {
			add(60, s.after(250*ms, killHook, killHook, killGroup))
			add(5, s.after(250*ms, killHelper, killJob, killSidecar))
		}
	case "build_script":
		if s.name != fullDisk {
			add(70, s.after(1200*ms, killSidecar, cutNetwork, killHelper))
			add(70, s.after(2500*ms, killJob, killHook, killGroup))
		}
	case "after_script":
		add(60, s.after(300*ms, killJob, killHook, killGroup, killSidecar))
	case "cleanup_file_variables":
		if s.long {
			faults = append(faults, fault{kind: holdVolume})
		}
		add(50, s.after(150*ms, killHook, killGroup, killHelper))
	case "cleanup":
		chance := 75
		if s.long {
			chance = 0 // the job must hand over
		}
		add(chance, s.after(600*ms, killHook, killGroup))
	}
	if s.name == cachingJob {
		switch place {
		case "get_sources":
			add(40, s.after(500*ms, killFill))
		case "build_script":
			add(40, s.after(500*ms, killMirror))
		}
	}
	if place == s.doom && (place != "prepare" || s.prepares == 2) {
		faults = append(faults, s.after(1500*ms, killRunner, killAll))
	}
	if s.quake != "" && (place == s.quake || place == "cleanup") { // cleanup comes in any case
		faults = append(faults, s.after(800*ms, s.quakeKind))
		s.quake = ""
	}
	return faults
}

// rage carries faults out as the job's hooks come by. When the job has ended, it returns the
// hooks' processes.
func (s *storm) rage(ctx context.Context) (pids []int) {
	results := make(chan string)
	pending := 0
	note := func(kind string) {
		pending--
		if kind != "" {
			s.hit[kind]++
		}
	}
	for {
		select {
		case h, more := <-s.m.Hooks:
			if !more {
				for pending > 0 {
					note(<-results)
				}
				return pids
			}
			pids = append(pids, h.PID)
			for _, f := range s.draw(h) {
				pending++
				go func() {
					time.Sleep(f.after) // the fault's random moment
					results <- s.strike(ctx, h, f)
				}()
			}
		case kind := <-results:
			note(kind)
		}
	}
}
