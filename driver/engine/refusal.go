package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/errdefs"

	"gitlab-dind-executor/fault"
)

// Refusal is a refusal or an inability of an engine that only the words of its error tell. The
// types of errors do not distinguish these.
type Refusal int

// Refusals of an engine.
const (
	// SubnetTaken: another network has the addresses. The error's type, a 403, is also the type
	// of refusals by authorization plugins.
	SubnetTaken Refusal = iota
	// FewerCPUs: the host has fewer processors than a container's limit.
	FewerCPUs
	// NoRuntime: the engine does not know a container's runtime.
	NoRuntime
	// BadCapability: no capability has such a name.
	BadCapability
	// NoDevice: the host lacks a device of the container.
	NoDevice
	// NoProgram: the image lacks the program to run.
	NoProgram
	// NoInit: the host lacks the engine's init process.
	NoInit
	// NoUser: the image lacks the user.
	NoUser
	// NoRights: a plugin or the kernel denies a container its rights.
	NoRights
	// NoSource: a file to mount is missing, because the engine has other files than this process.
	NoSource
	// NoAddress: a network has no room for another container.
	NoAddress
	// NoSpace: the disk is full.
	NoSpace
	// NoMore: the kernel has no room for another of something.
	NoMore
	// NoGPU: the engine has no way to give a container GPUs.
	NoGPU
	// NoGroup: the image lacks a group.
	NoGroup
	// NoSetting: the kernel, or this host, cannot do what the settings want for a container.
	NoSetting
	// CountsAlready: the engine is adding up sizes for somebody else. Engines before 23 have no
	// type for this error.
	CountsAlready
	// PortTaken says that something else on the host listens on a port.
	PortTaken
	// NetworkInUse: the engine counts a container in a network. The container may be gone.
	NetworkInUse
)

// refusalWords are words of each refusal in releases 20.10 to 29, in lower case.
// testdata/refusals has the complete answers of some releases.
var refusalWords = map[Refusal][]string{
	SubnetTaken:   {"overlap"},
	FewerCPUs:     {"range of cpus"},
	NoRuntime:     {"unknown runtime specified", "unknown or invalid runtime name"}, // the second from 23 on
	BadCapability: {"capabilit"},
	NoDevice:      {"gathering device information"},
	NoProgram:     {"executable file not found", `": stat `},
	NoInit:        {`"docker-init"`},
	NoUser:        {"unable to find user"},
	NoRights:      {"authorization denied", "privileged mode is incompatible", "operation not permitted"},
	NoSource:      {"bind source path does not exist"},
	NoAddress:     {"no available ipv4 addresses"},
	NoSpace:       {"no space left on device"},
	CountsAlready: {"disk usage operation is already running"},
	NoMore: {
		"resource temporarily unavailable", "cannot allocate memory", "too many open files", "too many links",
		"exchange full", // the ports of a bridge
	},
	NoGPU:        {"could not select device driver"},
	NoGroup:      {"unable to find group"},
	PortTaken:    {"port is already allocated", "address already in use"}, // of another container, of any program
	NetworkInUse: {"has active endpoints"},
	NoSetting:    {"/proc/sys/", "setting rlimit", `mounting "tmpfs"`, "are not available - requested", "cgroup-parent"},
}

// Refused tells whether an error is a certain refusal.
func Refused(err error, what Refusal) bool {
	if err == nil {
		return false
	}
	if what == NoRights && errdefs.IsPermissionDenied(err) {
		return true
	}
	text := strings.ToLower(err.Error())
	return slices.ContainsFunc(refusalWords[what], func(words string) bool { return strings.Contains(text, words) })
}

// exhausted is a hint for an engine without room for another object, or "".
func exhausted(err error) string {
	switch {
	case Refused(err, NoMore):
		return "this host has no room for one more container: lower concurrent in the Runner's config.toml, or look for leftovers: gitlab-dind-executor gc"
	case Refused(err, NoAddress):
		return "the sandbox's subnet is too small for all containers of this job: lower network.subnet_bits in the settings"
	case Refused(err, NoSpace):
		return "the docker engine's disk is full: docker system df tells what takes it, gitlab-dind-executor gc removes leftovers"
	}
	return ""
}

// StartFault explains why a container did not start, with a hint. The cause may be a program,
// user or group missing in the image, or a setting that the host cannot carry out.
func StartFault(image string, err error) error {
	switch {
	case err == nil:
		return nil
	case Refused(err, NoInit):
		return fault.System(err, "install docker-init beside the docker engine, or leave out FF_USE_INIT_WITH_DOCKER_EXECUTOR, which asks for it")
	case Refused(err, NoProgram):
		return fault.Job(fmt.Errorf("image %s: %w", image, err),
			"a job's image needs bash or sh in its PATH, and its ENTRYPOINT must exist")
	case Refused(err, NoUser):
		return fault.Job(fmt.Errorf("image %s: %w", image, err), "the image has no such user")
	case Refused(err, NoGroup):
		return fault.Job(fmt.Errorf("image %s: %w", image, err),
			"the image has no such group: look at the user in the pipeline, and at user and group_add in the runner's settings")
	case Refused(err, NoDevice):
		return fault.System(fmt.Errorf("image %s: %w", image, err), "this host lacks a device that a [[policy]] of the settings gives")
	case Refused(err, NoGPU):
		return fault.System(fmt.Errorf("image %s: %w", image, err),
			"the engine has no toolkit for GPUs: install that of their vendor, or take gpus out of the [[policy]] in the settings")
	case Refused(err, NoSetting):
		return fault.System(fmt.Errorf("image %s: %w", image, err),
			"this host refuses what the settings give to containers: look at sysctls, ulimit and tmpfs there, and at cpuset_cpus and cgroup_parent")
	}
	return err
}
