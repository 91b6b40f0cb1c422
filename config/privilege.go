package config

import (
	"cmp"
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
	// PrivilegeGVisor is an application kernel of the sandbox's own, by runsc.
	PrivilegeGVisor = "gvisor"
	// PrivilegeRuntime leaves it to the runtime that sidecar.runtime names.
	PrivilegeRuntime = "runtime"
)

// Privileges are the values that sidecar.privilege may hold.
var Privileges = []string{PrivilegePrivileged, PrivilegeReduced, PrivilegeRootless, PrivilegeGVisor, PrivilegeRuntime}

// GVisorRuntime is how gVisor's own pages name its runtime to an engine.
const GVisorRuntime = "runsc"

// What gvisor.storage may be.
const (
	// StorageMemory keeps a data root in memory.
	StorageMemory = "memory"
	// StorageFile keeps it in one file on the engine's disk.
	StorageFile = "file"
)

// GVisor is about sidecars of PrivilegeGVisor.
type GVisor struct {
	// Storage is StorageMemory or StorageFile: where the data root lies. Either
	// ends with its sandbox.
	Storage string `toml:"storage"`
	// Size bounds the data root.
	Size Size `toml:"size"`
}

// RuntimeOf is the engine's name of the runtime for sidecars of a privilege. It is
// empty for the engine's default.
func RuntimeOf(privilege, runtime string) string {
	switch {
	case privilege == PrivilegeGVisor && runtime == "":
		return GVisorRuntime
	case privilege == PrivilegeGVisor || privilege == PrivilegeRuntime:
		return runtime
	}
	return ""
}

// On returns the settings of a sidecar changed by p. A runtime of the settings that
// is for another privilege is not gVisor's.
func (p PolicySidecar) On(s Sidecar) Sidecar {
	if p.Privilege == PrivilegeGVisor && s.Privilege != PrivilegeGVisor {
		s.Runtime = ""
	}
	s.Image, s.Privilege, s.Runtime = cmp.Or(p.Image, s.Image), cmp.Or(p.Privilege, s.Privilege), cmp.Or(p.Runtime, s.Runtime)
	if p.AllowedImages != nil {
		s.AllowedImages = p.AllowedImages
	}
	return s
}

// ordinaryRuntimes begin the names of runtimes whose containers share the host's
// kernel, as it is usual to name them.
var ordinaryRuntimes = []string{"runc", "crun", "youki", "sysbox", "nvidia", "io.containerd.runc."}

// leastOfGVisor is the least that a data root, and a daemon besides it, can do with.
const leastOfGVisor Size = 512 << 20

// validateGVisor checks what the data roots of gVisor's sidecars have.
func validateGVisor(s GVisor, f *faults) {
	if s.Storage != StorageMemory && s.Storage != StorageFile {
		f.add("gvisor.storage", "must be %q or %q, not %q", StorageMemory, StorageFile, s.Storage)
	}
	if s.Size < leastOfGVisor {
		f.add("gvisor.size", "must be at least %s", leastOfGVisor)
	}
}

// validateRoomOfGVisor checks that such a sidecar's limit of memory leaves room for a
// data root in it.
func validateRoomOfGVisor(key string, s GVisor, memory Size, f *faults) {
	if s.Storage == StorageMemory && memory > 0 && memory < s.Size+leastOfGVisor {
		f.add(key, "must be at least %s: gvisor.size is in memory, and the daemon needs some besides", s.Size+leastOfGVisor)
	}
}

// validatePrivilege checks settings that make sense together only: those of
// [sidecar], or what a policy makes of them.
func validatePrivilege(table, image, privilege, runtime string, f *faults) {
	key := table + ".privilege"
	switch {
	case privilege == PrivilegeGVisor && slices.ContainsFunc(ordinaryRuntimes, func(name string) bool { return strings.HasPrefix(runtime, name) }):
		f.add(key, "is %q, and %q is no runtime of gVisor: sidecar.runtime must name one, or be empty for %q", privilege, runtime, GVisorRuntime)
	case !slices.Contains(Privileges, privilege):
		f.add(key, "must be one of %s, not %q", strings.Join(Privileges, ", "), privilege)
	case privilege == PrivilegeRuntime && runtime == "":
		f.add(key, "is %q, so sidecar.runtime must name a runtime of the engine", privilege)
	case privilege == PrivilegeRootless && image == Default().Sidecar.Image:
		f.add(key, "is %q, so sidecar.image must be a rootless one, such as docker:dind-rootless", privilege)
	}
}
