package plan

import (
	"fmt"
	"strings"

	"gitlab-dind-executor/config"
)

// Free is what a host has left, in bytes; below 0 it is not known.
type Free struct{ Disk, Memory int64 }

// Lacks says what a host has too little of to begin a job, or "".
func Lacks(a config.Admission, free Free) string {
	var lacks []string
	for _, c := range []struct {
		what  string
		free  int64
		least config.Size
	}{{"disk", free.Disk, a.MinFreeDisk}, {"memory", free.Memory, a.MinFreeMemory}} {
		if c.free >= 0 && c.free < c.least.Bytes() {
			lacks = append(lacks, fmt.Sprintf("%s of %s are free, %s are wanted", config.Size(c.free), c.what, c.least))
		}
	}
	return strings.Join(lacks, "; ")
}

// LacksDisk tells whether disk is among it.
func LacksDisk(a config.Admission, free Free) bool {
	return Lacks(a, Free{Disk: free.Disk, Memory: -1}) != ""
}

// Admission is what a host must have free for a job of this plan: what the settings
// want, and the memory that the job's data root may fill.
func (p *Plan) Admission(a config.Admission) config.Admission {
	if p.Sidecar.InMemory() {
		a.MinFreeMemory += config.Size(p.Sidecar.DataSize)
	}
	return a
}

// Room is what a host must have free for a job of these settings without a policy.
func Room(s config.Settings) config.Admission {
	pl := planner{s: s}
	sc := Sidecar{DaemonConfig: map[string]any{}}
	pl.entitle(&sc)
	return (&Plan{Sidecar: sc}).Admission(s.Admission)
}
