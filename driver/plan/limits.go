package plan

import (
	"math"

	"gitlab-dind-executor/config"
)

// Limits are the limits of a container; 0 means no limit.
type Limits struct {
	// NanoCPUs are billionths of a CPU.
	NanoCPUs int64
	// Memory is in bytes. Unless MemorySwap is set, there is no swap.
	Memory int64
	PIDs   int64
	// MemorySwap is memory and swap together, in bytes; 0 means Memory.
	MemorySwap        int64  `json:",omitempty"`
	MemoryReservation int64  `json:",omitempty"`
	CPUShares         int64  `json:",omitempty"`
	CPUSetCPUs        string `json:",omitempty"`
	CPUSetMems        string `json:",omitempty"`
	CgroupParent      string `json:",omitempty"`
}

// LimitKey returns the name of the settings' table with a role's limits.
func LimitKey(r Role) string {
	if r == RoleService {
		return "limits.services"
	}
	return "limits." + string(r)
}

// limits returns the settings' limits for a role.
func limits(s config.Limits, r Role) Limits {
	l := map[Role]config.Limit{
		RoleSidecar: s.Sidecar, RoleJob: s.Job, RoleService: s.Services, RoleHelper: s.Helper,
	}[r]
	all := Limits{
		NanoCPUs: int64(math.Round(l.CPUs * 1e9)), Memory: l.Memory.Bytes(), PIDs: l.PIDs,
		MemorySwap: l.MemorySwap.Bytes(), MemoryReservation: l.MemoryReservation.Bytes(), CPUShares: l.CPUShares,
		CPUSetCPUs: l.CPUSetCPUs, CPUSetMems: l.CPUSetMems, CgroupParent: l.CgroupParent,
	}
	// A policy may have changed the memory to which these limits belong.
	if all.MemorySwap <= all.Memory || all.Memory == 0 {
		all.MemorySwap = 0
	}
	if all.Memory > 0 {
		all.MemoryReservation = min(all.MemoryReservation, all.Memory)
	}
	return all
}
