package diagnosis

import (
	"fmt"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/stages"
)

// Diagnosis is the explanation after a failed script.
type Diagnosis struct {
	// Line is the reason, in lower case and without a full stop.
	Line string
	// Hint says what to do, and who can do that.
	Hint string
}

// Failure holds the known facts about a failed script.
type Failure struct {
	// Output is the end of the script's output.
	Output string
	// Sidecar is the state of the job's sidecar after the script. Ending is the sidecar's
	// end, if any.
	Sidecar looking.SidecarState
	Ending  stages.Ending
}

// Of looks for the reason of a failure, first at the sidecar, then in the last words of the
// failed command. Of returns false where no reason is known.
func Of(f Failure) (Diagnosis, bool) {
	if d, ok := ofSidecar(f); ok {
		return d, true
	}
	for _, said := range read(f.Output) {
		for _, r := range rows {
			if d, ok := r.explains(said); ok {
				if r.name == fullDisk && f.Sidecar.DataSize > 0 {
					return smallDisk(f.Sidecar.DataSize), true
				}
				return d, true
			}
		}
	}
	return Diagnosis{}, false
}

// ofSidecar explains the end of a sidecar.
func ofSidecar(f Failure) (Diagnosis, bool) {
	switch {
	case !f.Sidecar.Known || f.Sidecar.Running:
		return Diagnosis{}, false
	case f.Sidecar.OutOfMemory:
		return Diagnosis{
			"the docker daemon of this job ran out of memory",
			"build less at once, or ask the runner's admin for more memory for the sidecar",
		}, true
	case f.Ending == stages.EndedFromInside:
		return Diagnosis{
			fmt.Sprintf("the docker daemon of this job has ended by itself (exit code %d)", f.Sidecar.ExitCode),
			"a command of the job may have ended it, or it failed; the runner's admin finds its last lines with gitlab-dind-executor explain",
		}, true
	}
	return Diagnosis{
		fmt.Sprintf("the docker daemon of this job has ended (exit code %d)", f.Sidecar.ExitCode),
		"run the job again; the runner's admin finds its last lines with gitlab-dind-executor explain",
	}, true
}

// smallDisk explains a full disk where the daemon has a disk of its own. size is in bytes.
func smallDisk(size int64) Diagnosis {
	return Diagnosis{
		fmt.Sprintf("a disk is full; that of this job's docker daemon holds %s", config.Size(size)),
		"make builds smaller, or ask the runner's admin to raise gvisor.size in the settings",
	}
}

// OutOfMemory explains a kill by the kernel. Every container and build of the job's docker
// counts as its daemon's memory.
func OutOfMemory(o stages.OutOfMemory) Diagnosis {
	if o.Role == plan.RoleRelay { // the relay's limit is no setting
		return Diagnosis{
			"the relay that asks for names for this job's docker daemon ran out of memory",
			"ask for fewer names at once, or run the job again",
		}
	}
	what := map[plan.Role]string{
		plan.RoleSidecar: "the docker daemon of this job, or a container or build in it,",
		plan.RoleJob:     "the job's script",
		plan.RoleHelper:  "the helper, which clones and caches,",
		plan.RoleService: "service " + o.Name,
	}[o.Role]
	if o.Limit == 0 {
		return Diagnosis{
			what + " ran out of memory",
			"a limit that the pipeline itself has set, or all of the runner host's memory, is used up",
		}
	}
	return Diagnosis{
		fmt.Sprintf("%s ran out of memory: the limit is %s", what, config.Size(o.Limit)),
		"use less, or ask the runner's admin to raise " + plan.LimitKey(o.Role) + ".memory in the settings",
	}
}
