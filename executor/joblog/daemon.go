package joblog

import (
	"fmt"
	"time"
)

// The origins of a job's daemon, in words.
const (
	fromThePool = "from the pool"
	newDaemon   = "new daemon"
)

// felt is the shortest wait with a line in the log.
const felt = 100 * time.Millisecond

// Daemon holds the facts about a job's daemon for the log, before the script.
type Daemon struct {
	// Version is dockerd's, e.g. "28.1.1"; "" if unknown.
	Version string
	// Warm tells whether the sandbox was made ahead. Cold is the reason why not, where the
	// pool might have had one.
	Warm bool
	Cold string
}

func (d Daemon) name() string {
	if d.Version == "" {
		return "Docker"
	}
	return "Docker " + d.Version
}

func (d Daemon) origin() string {
	switch {
	case d.Warm:
		return fromThePool
	case d.Cold != "":
		return newDaemon + ": " + d.Cold
	}
	return newDaemon
}

// Starting is the line for a daemon that boots while the job goes on.
func (d Daemon) Starting() string { return "starting " + d.name() + " (" + d.origin() + ")" }

// Ready is the line for a daemon that answers, after the whole of prepare.
func (d Daemon) Ready(took time.Duration) string {
	return fmt.Sprintf("%s ready in %.1f s (%s)", d.name(), took.Seconds(), d.origin())
}

// ReadyAfter is the line before the first script. waited is the script's wait for the
// daemon.
func (d Daemon) ReadyAfter(waited time.Duration) string {
	if waited < felt {
		return d.name() + " ready"
	}
	return fmt.Sprintf("%s ready after %.1f s more", d.name(), waited.Seconds())
}

// ServicesReady is the line for services that took longer than the daemon. took is the
// further time.
func ServicesReady(took time.Duration) string {
	return fmt.Sprintf("services ready after %.1f s more", took.Seconds())
}
