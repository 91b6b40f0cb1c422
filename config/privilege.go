package config

import (
	"slices"
	"strings"
)

// What a sidecar may do, as sidecar.privilege names it.
const (
	// PrivilegePrivileged is what docker:dind documents, and no boundary.
	PrivilegePrivileged = "privileged"
	// PrivilegeReduced is a short list of capabilities, and no boundary either.
	PrivilegeReduced = "reduced"
	// PrivilegeRootless is a user namespace of an ordinary user.
	PrivilegeRootless = "rootless"
	// PrivilegeRuntime leaves it to the runtime that sidecar.runtime names.
	PrivilegeRuntime = "runtime"
)

// Privileges are the values that sidecar.privilege may hold.
var Privileges = []string{PrivilegePrivileged, PrivilegeReduced, PrivilegeRootless, PrivilegeRuntime}

// validatePrivilege checks settings that make sense together only: those of
// [sidecar], or what a policy makes of them.
func validatePrivilege(table, image, privilege, runtime string, f *faults) {
	key := table + ".privilege"
	switch {
	case !slices.Contains(Privileges, privilege):
		f.add(key, "must be one of %s, not %q", strings.Join(Privileges, ", "), privilege)
	case privilege == PrivilegeRuntime && runtime == "":
		f.add(key, "is %q, so sidecar.runtime must name a runtime of the engine", privilege)
	case privilege == PrivilegeRootless && image == Default().Sidecar.Image:
		f.add(key, "is %q, so sidecar.image must be a rootless one, such as docker:dind-rootless", privilege)
	}
}
