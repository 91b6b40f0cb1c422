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

// Demand is the room that a host must have free before a job begins.
type Demand struct {
	config.Admission
	// InMemory is the part of MinFreeMemory that the job's data root may fill.
	InMemory config.Size
}

// Remedy says how an admin makes room, in words about the short resources alone.
func (d Demand) Remedy(free Free) string {
	disk := "make room on the runner host (docker system df, gitlab-dind-executor gc), or lower admission.min_free_disk in the settings"
	memory := "lower concurrent in the Runner's config.toml, or " + d.MemoryKeys() + " in the settings"
	switch {
	case !LacksDisk(d.Admission, free):
		return memory
	case Lacks(d.Admission, Free{Disk: -1, Memory: free.Memory}) == "":
		return disk
	}
	return disk + "; for memory, " + memory
}

// MemoryKeys names the settings of MinFreeMemory.
func (d Demand) MemoryKeys() string {
	if d.InMemory > 0 {
		return "admission.min_free_memory and gvisor.size"
	}
	return "admission.min_free_memory"
}

// Admission returns the demand of a job of this plan. To the settings' demand it adds the
// memory that the job's data root may fill.
func (p *Plan) Admission(a config.Admission) Demand {
	d := Demand{Admission: a}
	if p.Sidecar.InMemory() {
		d.InMemory = config.Size(p.Sidecar.DataSize)
		d.MinFreeMemory += d.InMemory
	}
	return d
}

// Room returns the demand of a job without a policy.
func Room(s config.Settings) Demand {
	pl := planner{s: s}
	sc := Sidecar{DaemonConfig: map[string]any{}}
	pl.entitle(&sc)
	return (&Plan{Sidecar: sc}).Admission(s.Admission)
}
