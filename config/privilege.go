package config

import (
	"cmp"
	"slices"
	"strings"
)

// The values of sidecar.privilege say how much a sidecar may do.
const (
	// PrivilegePrivileged follows the documentation of docker:dind, and is no boundary.
	PrivilegePrivileged = "privileged"
	// PrivilegeReduced is a short list of capabilities, and no boundary either.
	PrivilegeReduced = "reduced"
	// PrivilegeRootless is a user namespace of an ordinary user.
	PrivilegeRootless = "rootless"
	// PrivilegeGVisor is an application kernel of the sandbox's own, by runsc.
	PrivilegeGVisor = "gvisor"
	// PrivilegeRuntime leaves the boundary to the runtime in sidecar.runtime.
	PrivilegeRuntime = "runtime"
)

// Privileges are the valid values of sidecar.privilege.
var Privileges = []string{PrivilegePrivileged, PrivilegeReduced, PrivilegeRootless, PrivilegeGVisor, PrivilegeRuntime}

// GVisorRuntime is the runtime's name in gVisor's own documentation.
const GVisorRuntime = "runsc"

// The values of gvisor.storage.
const (
	// StorageMemory keeps a data root in memory.
	StorageMemory = "memory"
	// StorageFile keeps a data root in a file on the engine's disk.
	StorageFile = "file"
)

// GVisor is about sidecars of PrivilegeGVisor.
type GVisor struct {
	// Storage is StorageMemory or StorageFile: the place of the data root. In both places
	// the data root ends with its sandbox.
	Storage string `toml:"storage"`
	// Size bounds the data root, in bytes.
	Size Size `toml:"size"`
}

// RuntimeOf returns the engine's name of the runtime for sidecars of a privilege. "" stands
// for the engine's default.
func RuntimeOf(privilege, runtime string) string {
	switch {
	case privilege == PrivilegeGVisor && runtime == "":
		return GVisorRuntime
	case privilege == PrivilegeGVisor || privilege == PrivilegeRuntime:
		return runtime
	}
	return ""
}

// On returns the settings of a sidecar changed by p. A runtime for another privilege does
// not carry over to gVisor.
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

// ordinaryRuntimes are the usual prefixes of runtimes whose containers share the host's
// kernel.
var ordinaryRuntimes = []string{"runc", "crun", "youki", "sysbox", "nvidia", "io.containerd.runc."}

// leastOfGVisor is the smallest useful data root, and the smallest memory for a daemon
// besides.
const leastOfGVisor Size = 512 << 20

// validateGVisor checks the settings of data roots under gVisor.
func validateGVisor(s GVisor, f *faults) {
	if s.Storage != StorageMemory && s.Storage != StorageFile {
		f.add("gvisor.storage", "must be %q or %q, not %q", StorageMemory, StorageFile, s.Storage)
	}
	if s.Size < leastOfGVisor {
		f.add("gvisor.size", "must be at least %s", leastOfGVisor)
	}
}

// validateRoomOfGVisor checks the sidecar's limit of memory. A data root in memory and a
// daemon must both fit.
func validateRoomOfGVisor(key string, s GVisor, memory Size, f *faults) {
	if s.Storage == StorageMemory && memory > 0 && memory < s.Size+leastOfGVisor {
		f.add(key, "must be at least %s: gvisor.size is in memory, and the daemon needs some besides", s.Size+leastOfGVisor)
	}
}

// validatePrivilege checks settings that depend on each other. They come from [sidecar], or
// from [sidecar] changed by a policy.
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
