package driver

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

func TestAJobWaitsUntilThereIsRoom(t *testing.T) {
	full, free := plan.Free{Disk: 1 << 30, Memory: 1 << 30}, plan.Free{Disk: 3 << 30, Memory: 1 << 30}
	wants := plan.Demand{Admission: config.Admission{MinFreeDisk: 2 << 30, Wait: config.Duration(time.Minute)}}
	for name, c := range map[string]struct {
		looks  []plan.Free // the last goes on for ever
		wait   time.Duration
		cancel bool
		said   []string
		fails  string
	}{
		"room at once":              {looks: []plan.Free{free}, wait: time.Minute},
		"room after a while":        {looks: []plan.Free{full, full, full, free}, wait: time.Minute, said: []string{"waiting: 1 GB of disk are free, 2 GB are wanted", "waited 0s"}},
		"no room in time":           {looks: []plan.Free{full}, wait: 20 * time.Millisecond, said: []string{"waiting: 1 GB of disk are free, 2 GB are wanted"}, fails: "too full to begin: 1 GB of disk are free, 2 GB are wanted"},
		"no room, and nobody waits": {looks: []plan.Free{full}, fails: "too full to begin"},
		"the job is cancelled":      {looks: []plan.Free{full}, wait: time.Minute, cancel: true, said: []string{"waiting: 1 GB of disk are free, 2 GB are wanted"}, fails: "canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			looks := 0
			var said []string
			wants.Wait = config.Duration(c.wait)
			err := admit(ctx, wants, time.Millisecond, func() plan.Free {
				looks++
				if c.cancel && looks == 3 {
					cancel()
				}
				return c.looks[min(looks, len(c.looks))-1]
			}, func(line string) { said = append(said, line) })
			if !slices.Equal(said, c.said) {
				t.Errorf("said %q, want %q", said, c.said)
			}
			if (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
				t.Errorf("error %v, want %q", err, c.fails)
			}
			if err != nil && !errors.Is(err, context.Canceled) && (fault.IsOfJob(err) || fault.HintOf(err) == "") {
				t.Errorf("of job %t, hint %q", fault.IsOfJob(err), fault.HintOf(err))
			}
		})
	}
}

func TestNobodyLooksAtAHostThatIsNotTheEngines(t *testing.T) {
	remote := &Driver{eng: unopened(t, "tcp://192.0.2.1:2375")}
	if got := remote.free("/"); got.Disk != -1 || got.Memory != -1 {
		t.Errorf("a remote engine has %+v", got)
	}
	local := &Driver{eng: unopened(t, "unix:///var/run/docker.sock")}
	if got := local.free("/"); got.Disk <= 0 || got.Memory <= 0 {
		t.Errorf("a local engine has %+v", got)
	}
	if got := local.free("/no/such/directory"); got.Disk != -1 || got.Memory <= 0 {
		t.Errorf("an engine whose data are elsewhere has %+v", got)
	}
}

func TestLayersGoBeforeAJobWaitsForDisk(t *testing.T) {
	for name, c := range map[string]struct {
		free    plan.Free
		layers  int
		dropped int
	}{
		"enough is free":            {plan.Free{Disk: 5, Memory: 5}, 3, 0},
		"until enough is free":      {plan.Free{Disk: 2, Memory: 5}, 9, 3},
		"until there are no more":   {plan.Free{Disk: 2, Memory: 5}, 2, 2},
		"memory is not their fault": {plan.Free{Disk: 5, Memory: 0}, 3, 0},
		"nobody can tell":           {plan.Free{Disk: -1, Memory: -1}, 3, 0},
	} {
		dropped, said := 0, 0
		a := config.Admission{MinFreeDisk: 5, MinFreeMemory: 5}
		short := func(f plan.Free) bool { return plan.LacksDisk(a, f) }
		free := makeRoom(short, func() plan.Free { return c.free }, func() bool {
			if dropped == c.layers {
				return false
			}
			dropped++
			c.free.Disk++
			return true
		}, "", func(string) { said++ })
		if dropped != c.dropped || said != dropped || free != c.free {
			t.Errorf("%s: %d dropped, %d lines, %+v free", name, dropped, said, free)
		}
	}
}
