package behind

import (
	"strconv"
	"strings"
	"time"

	"gitlab-dind-executor/hostfile"
)

const (
	// sweptAlways is up to how many sandboxes each job looks for what others left.
	sweptAlways = 32
	// sweptEach is how long nobody looks again, for each sandbox that there was: a look
	// takes the engine and the job half a millisecond for each.
	sweptEach = 15 * time.Millisecond
	// sweptStamp names the file whose time is that of the last look, and which holds
	// how many sandboxes there were.
	sweptStamp = "swept"
	maxStamp   = 64
)

// SweepDue tells whether a job is to look for what others left. Where there are many
// sandboxes, not each job does: looks would take as much of the host as jobs. Without
// a dir, or where nothing can be written there, each does.
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
	_ = state.Write(sweptStamp, text, 0o600) // those that come meanwhile leave it to this one
	return true
}

// Swept notes how many sandboxes a look has seen.
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
