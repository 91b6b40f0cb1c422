package plan

import (
	"math"

	"gitlab-dind-executor/config"
)

// Limits bound what one container may use; 0 means none.
type Limits struct {
	// NanoCPUs are billionths of a CPU.
	NanoCPUs int64
	// Memory is in bytes, and there is no swap besides.
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

// LimitKey is the table of the settings that holds a role's limits.
func LimitKey(r Role) string {
	if r == RoleService {
		return "limits.services"
	}
	return "limits." + string(r)
}

// limits are those of the settings for a role.
func limits(s config.Limits, r Role) Limits {
	l := map[Role]config.Limit{
		RoleSidecar: s.Sidecar, RoleJob: s.Job, RoleService: s.Services, RoleHelper: s.Helper,
	}[r]
	all := Limits{
		NanoCPUs: int64(math.Round(l.CPUs * 1e9)), Memory: l.Memory.Bytes(), PIDs: l.PIDs,
		MemorySwap: l.MemorySwap.Bytes(), MemoryReservation: l.MemoryReservation.Bytes(), CPUShares: l.CPUShares,
		CPUSetCPUs: l.CPUSetCPUs, CPUSetMems: l.CPUSetMems, CgroupParent: l.CgroupParent,
	}
	// A policy may have changed the memory that these go with.
	if all.MemorySwap <= all.Memory || all.Memory == 0 {
		all.MemorySwap = 0
	}
	if all.Memory > 0 {
		all.MemoryReservation = min(all.MemoryReservation, all.Memory)
	}
	return all
}
