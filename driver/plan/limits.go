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
	return Limits{NanoCPUs: int64(math.Round(l.CPUs * 1e9)), Memory: l.Memory.Bytes(), PIDs: l.PIDs}
}
