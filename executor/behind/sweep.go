package behind

import (
	"strconv"
	"strings"
	"time"

	"gitlab-dind-executor/hostfile"
)

const (
	// sweptAlways is the number of sandboxes up to which each job looks for leftovers of
	// others.
	sweptAlways = 32
	// sweptEach is the pause after a look, for each sandbox seen. A look costs the engine
	// and the job half a millisecond for each sandbox.
	sweptEach = 15 * time.Millisecond
	// sweptStamp is a file whose time is the time of the last look. The file holds the
	// number of sandboxes at that look.
	sweptStamp = "swept"
	maxStamp   = 64
)

// SweepDue tells whether a job must look for leftovers of others. With many sandboxes, not
// each job looks: the looks would cost the host as much as the jobs. Without a dir, or
// where nothing can be written there, each job looks.
func SweepDue(dir string, now time.Time) bool {
	state, err := stateDir(dir)
	if err != nil {
		return true
	}
	defer state.Close()
	last, err := state.Modified(sweptStamp)
	if err != nil {
		return true
	}
	text, _ := state.ReadOwn(sweptStamp, maxStamp)
	count, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || count <= sweptAlways {
		return true
	}
	gap := min(time.Duration(count)*sweptEach, time.Minute)
	if since := now.Sub(last); since >= 0 && since < gap {
		return false
	}
	_ = state.Write(sweptStamp, text, 0o600) // jobs that begin meanwhile leave the look to this one
	return true
}

// Swept notes the number of sandboxes seen by a look.
func Swept(dir string, count int) {
	if state, err := stateDir(dir); err == nil {
		_ = state.Write(sweptStamp, []byte(strconv.Itoa(count)+"\n"), 0o600)
		state.Close()
	}
}

func stateDir(dir string) (*hostfile.Dir, error) {
	if dir == "" {
		return nil, hostfile.ErrRefused
	}
	return hostfile.OpenOrMake(dir)
}
