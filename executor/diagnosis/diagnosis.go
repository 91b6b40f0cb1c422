package diagnosis

import (
	"fmt"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/stages"
)

// Diagnosis is what is said after a script that failed.
type Diagnosis struct {
	// Line is the reason, in lower case and without a full stop.
	Line string
	// Hint says what to do, and who can.
	Hint string
}

// Failure is what is known of a script that failed.
type Failure struct {
	// Output is the end of what the script printed.
	Output string
	// Sidecar is the state of the job's sidecar after the script, and Ending how
	// that has ended, if it has.
	Sidecar looking.SidecarState
	Ending  stages.Ending
}

// Of looks for the reason of a failure: first at the sidecar, then in what the
// command that failed said last. It is false where nothing is known.
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

// ofSidecar is about a sidecar that has ended.
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

// smallDisk explains a full disk where the daemon has one of its own, in bytes.
func smallDisk(size int64) Diagnosis {
	return Diagnosis{
		fmt.Sprintf("a disk is full; that of this job's docker daemon holds %s", config.Size(size)),
		"make builds smaller, or ask the runner's admin to raise gvisor.size in the settings",
	}
}

// OutOfMemory explains what the kernel killed. Whatever a job runs by docker
// counts as its daemon's.
func OutOfMemory(o stages.OutOfMemory) Diagnosis {
	if o.Role == plan.RoleRelay { // whose limit is no setting
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
