package plan

import (
	"fmt"
	"strings"

	"gitlab-dind-executor/config"
)

// Free is the free room of a host, in bytes; below 0 it is unknown.
type Free struct{ Disk, Memory int64 }

// Lacks says which resources of a host are too short to begin a job, or "".
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

// LacksDisk tells whether disk is too short.
func LacksDisk(a config.Admission, free Free) bool {
	return Lacks(a, Free{Disk: free.Disk, Memory: -1}) != ""
}

// Admission returns the room that a host must have free for a job of this plan. To the
// settings' demand it adds the memory that the job's data root may fill.
func (p *Plan) Admission(a config.Admission) config.Admission {
	if p.Sidecar.InMemory() {
		a.MinFreeMemory += config.Size(p.Sidecar.DataSize)
	}
	return a
}

// Room returns the room that a host must have free for a job without a policy.
func Room(s config.Settings) config.Admission {
	pl := planner{s: s}
	sc := Sidecar{DaemonConfig: map[string]any{}}
	pl.entitle(&sc)
	return (&Plan{Sidecar: sc}).Admission(s.Admission)
}
