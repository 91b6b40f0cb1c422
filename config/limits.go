package config

import (
	"strings"
	"time"

	"gitlab-dind-executor/pattern"
)

// Limits bound the resources of a sandbox's containers.
type Limits struct {
	Sidecar  Limit `toml:"sidecar"`
	Job      Limit `toml:"job"`
	Services Limit `toml:"services"`
	Helper   Limit `toml:"helper"`
}

// Limit bounds one container; 0 means no limit.
type Limit struct {
	// CPUs is the number of CPUs that the container may keep busy, e.g. 1.5.
	CPUs float64 `toml:"cpus"`
	// Memory bounds the container's memory, in bytes, and allows no swap besides.
	Memory Size `toml:"memory"`
	// PIDs bounds the number of processes and threads.
	PIDs int64 `toml:"pids"`
	// MemorySwap bounds memory and swap together, in bytes; 0 means Memory.
	MemorySwap Size `toml:"memory_swap"`
	// MemoryReservation is the memory that the kernel leaves to the container when memory
	// is scarce, in bytes.
	MemoryReservation Size `toml:"memory_reservation"`
	// CPUShares is the container's weight beside other containers when CPUs are scarce; 0
	// means the usual 1024.
	CPUShares int64 `toml:"cpu_shares"`
	// CPUSetCPUs and CPUSetMems are the container's CPUs and memory nodes, as in "0-3,5";
	// empty means all.
	CPUSetCPUs string `toml:"cpuset_cpus"`
	CPUSetMems string `toml:"cpuset_mems"`
	// CgroupParent is the container's control group; empty means the engine's own.
	CgroupParent string `toml:"cgroup_parent"`
}

// PolicyLimits change the settings of the same names.
type PolicyLimits struct {
	Sidecar  PolicyLimit `toml:"sidecar"`
	Job      PolicyLimit `toml:"job"`
	Services PolicyLimit `toml:"services"`
	Helper   PolicyLimit `toml:"helper"`
}

// PolicyLimit changes a Limit; nil leaves a value, 0 lifts it.
type PolicyLimit struct {
	CPUs   *float64 `toml:"cpus"`
	Memory *Size    `toml:"memory"`
	PIDs   *int64   `toml:"pids"`
}

// On returns the limit changed by p.
func (p PolicyLimit) On(l Limit) Limit {
	if p.CPUs != nil {
		l.CPUs = *p.CPUs
	}
	if p.Memory != nil {
		l.Memory = *p.Memory
	}
	if p.PIDs != nil {
		l.PIDs = *p.PIDs
	}
	return l
}

// On returns the limits changed by p.
func (p PolicyLimits) On(l Limits) Limits {
	return Limits{
		Sidecar: p.Sidecar.On(l.Sidecar), Job: p.Job.On(l.Job),
		Services: p.Services.On(l.Services), Helper: p.Helper.On(l.Helper),
	}
}

var (
	// numberSet is a set of CPUs or memory nodes in the kernel's notation.
	numberSet  = pattern.New(`^[0-9]{1,5}(-[0-9]{1,5})?(,[0-9]{1,5}(-[0-9]{1,5})?)*$`)
	cgroupName = pattern.New(`^/?[A-Za-z0-9_][A-Za-z0-9_./-]{0,200}$`)
)

const (
	// minMemory is the smallest limit that the engine accepts.
	minMemory Size = 6 << 20
	// The docker daemon of a sidecar does not boot with less than these, in releases
	// 20.10 to 28.5. A build needs more.
	minDaemonMemory Size = 32 << 20
	minDaemonPIDs        = 20
)

func validateLimits(key string, l Limits, f *faults) {
	for _, c := range []struct {
		name  string
		limit Limit
	}{{"sidecar", l.Sidecar}, {"job", l.Job}, {"services", l.Services}, {"helper", l.Helper}} {
		at := key + "." + c.name
		leastMemory, leastPIDs := minMemory, int64(1)
		if c.name == "sidecar" {
			leastMemory, leastPIDs = minDaemonMemory, minDaemonPIDs
		}
		if n := c.limit.CPUs; n != 0 && !(n >= 0.01 && n <= 4096) { // NaN fails, too
			f.add(at+".cpus", "must be 0 or from 0.01 to 4096")
		}
		if n := c.limit.Memory; n != 0 && n < leastMemory {
			f.add(at+".memory", "must be 0 or at least %s", leastMemory)
		}
		if n := c.limit.MemorySwap; n != 0 && (c.limit.Memory == 0 || n < c.limit.Memory) {
			f.add(at+".memory_swap", "is memory and swap together: must be 0 or at least the memory, which must be there")
		}
		if n := c.limit.MemoryReservation; n != 0 && (n < minMemory || c.limit.Memory != 0 && n > c.limit.Memory) {
			f.add(at+".memory_reservation", "must be 0, or from %s to the memory", minMemory)
		}
		if n := c.limit.CPUShares; n != 0 && (n < 2 || n > 1<<18) {
			f.add(at+".cpu_shares", "must be 0 or from 2 to %d", 1<<18)
		}
		for _, s := range [][2]string{{"cpuset_cpus", c.limit.CPUSetCPUs}, {"cpuset_mems", c.limit.CPUSetMems}} {
			if s[1] != "" && !numberSet.MatchString(s[1]) {
				f.add(at+"."+s[0], `must be numbers and ranges, like "0-3,5": %q`, s[1])
			}
		}
		if g := c.limit.CgroupParent; g != "" && (!cgroupName.MatchString(g) || strings.Contains(g, "..") || strings.Trim(g, "/") == "") {
			f.add(at+".cgroup_parent", `must be a control group, like "ci.slice" or "/ci": %q`, g)
		}
		if n := c.limit.PIDs; n != 0 && n < leastPIDs || n > 1<<22 {
			f.add(at+".pids", "must be 0 or from %d to %d", leastPIDs, 1<<22)
		}
	}
}

// Admission names the free space of this host that a job needs to begin.
type Admission struct {
	// MinFreeDisk is in bytes of the file system with the engine's data, and MinFreeMemory
	// in bytes of memory; 0 means no check.
	MinFreeDisk   Size `toml:"min_free_disk"`
	MinFreeMemory Size `toml:"min_free_memory"`
	// Wait bounds a job's wait for both.
	Wait Duration `toml:"wait"`
}

func validateAdmission(a Admission, f *faults) {
	for key, size := range map[string]Size{"min_free_disk": a.MinFreeDisk, "min_free_memory": a.MinFreeMemory} {
		if size < 0 {
			f.add("admission."+key, "must not be negative")
		}
	}
	f.duration("admission.wait", a.Wait, 0, time.Hour)
}
