package plan

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"gitlab-dind-executor/fault"
)

// DindImage describes an image and the docker daemon in it.
type DindImage struct {
	// ID is the engine's id of the image, sha256:…
	ID     string
	Docker Version
	// Entrypoint, Command and User are the image's own.
	Entrypoint, Command []string
	User                string
	// Volumes are the cleaned paths of the image's VOLUMEs.
	Volumes []string
}

// EngineHost describes the engine's host. It is the zero value if AsksHost is false,
// because asking costs time.
type EngineHost struct {
	// CgroupVersion is "1" or "2".
	CgroupVersion string
	// Filesystem is the file system of volumes, for example "extfs" or "btrfs".
	Filesystem string
}

// assumed is the docker release assumed for an image of unknown version.
var assumed = Version{20, 10}

// minAPI lets the daemon accept clients from 2016 on, the oldest possible.
const minAPI = "DOCKER_MIN_API_VERSION=1.24"

// AsksHost tells whether Fit needs EngineHost: for an image that may not run there, and for
// an unusual storage driver.
func (s Sidecar) AsksHost(image DindImage) bool {
	return beforeCgroupV2(image.Docker) || storageDrivers[s.StorageDriver].filesystem != ""
}

// bootsFast tells whether a sidecar, after Fit, boots the fast way.
func (s Sidecar) bootsFast() bool {
	return slices.ContainsFunc(s.Entrypoint, func(arg string) bool { return strings.HasSuffix(arg, bootLast) })
}

// queues tells whether the daemon's port can be taken before the daemon answers. dockerd
// listens before it looks for containerd and sets up networks, and accepts the connections
// later (cmd/dockerd/daemon.go, loadListeners). Meanwhile the kernel holds them. This time
// is short if containerd already runs. The port says nothing if another program may listen
// first, or if the rest of the boot may be long. The sidecar must be complete, and docker
// is its release.
func (s Sidecar) queues(docker Version) bool {
	switch {
	case !s.Stdin || s.Given.Runs() || !docker.Known() || docker.Before(20, 10):
		return false
	case s.Relay || s.Rights.Runtime != "": // has another kernel or another user namespace
		return false
	}
	return s.Seed == ""
}

// isRoot tells whether an image's USER is root. The USER may contain a group.
func isRoot(user string) bool {
	name, _, _ := strings.Cut(user, ":")
	return name == "" || name == "root" || name == "0"
}

func beforeCgroupV2(v Version) bool { return v.Known() && v.Before(20, 10) }

// Fit adapts the sidecar to its image, since dockerd's arguments and the way of its boot
// depend on its version. The warnings are for the job log. The error is a job fault if the
// image cannot run here at all.
func (s Sidecar) Fit(image DindImage, host EngineHost) (Sidecar, []string, error) {
	version := image.Docker
	if err := s.checkImage(image); err != nil {
		return Sidecar{}, nil, err
	}
	if beforeCgroupV2(version) && host.CgroupVersion == "2" {
		return Sidecar{}, nil, fault.Job(
			fmt.Errorf("image %s cannot run here: docker %s does not know cgroup v2, which this host has", s.Image.Name, version),
			"use docker:20.10-dind or a later one")
	}
	var warnings []string
	env, warning := storage(s.StorageDriver, version, host.Filesystem)
	if env != "" {
		s.Environment = append(slices.Clone(s.Environment), env)
	}
	if warning != "" {
		warnings = append(warnings, warning)
	}
	// From 29 on, the daemon refuses older clients unless this variable is set. Later
	// releases may refuse the number, and a daemon that refuses it does not start.
	if version.Major == 29 && !slices.ContainsFunc(s.Environment, func(kv string) bool {
		return strings.HasPrefix(kv, "DOCKER_MIN_API_VERSION=")
	}) {
		s.Environment = append(slices.Clone(s.Environment), minAPI)
	}

	if !version.Known() {
		version = assumed
	}
	s.DaemonConfig = maps.Clone(s.DaemonConfig)
	if len(s.Arguments) > 0 {
		own := s.Command
		if len(own) == 0 && s.Entrypoint == nil {
			own = image.Command // the engine drops this command once an entrypoint is set
		}
		s.Command = withArguments(own, s.Arguments)
	}
	flags := s.Command
	if len(flags) == 0 {
		flags = image.Command
	}
	dropFlagged(s.DaemonConfig, flags)
	dropUnknown(s.DaemonConfig, version)
	if s.Relay {
		s.Environment = append(slices.Clone(s.Environment), bridgeVariable+"="+strings.Join(s.inside(), " "))
	}
	if s.Layers {
		s.DataKind = s.dataKind(image, env, flags)
	}
	s.Seed = s.seedKind(image, env, flags)
	if s.User == "" && !isRoot(image.User) {
		s.FastBoot = false // another user could neither start containerd nor write its files
	}
	s.Entrypoint, s.Command = s.Boot(image.Entrypoint, image.Command)
	s.Stdin = s.bootsFast() && s.takesFiles()
	s.Queues = s.queues(image.Docker)
	if slices.ContainsFunc(flags, func(arg string) bool {
		return strings.HasPrefix(arg, "--registry-mirror") || strings.HasPrefix(arg, "--insecure-registry")
	}) {
		s.Mirror = nil // the mirror needs both keys, and dockerd refuses a key beside its flag
	}
	// Before 25, the builder speaks TLS to an insecure registry whose address has no scheme
	// (github.com/moby/moby/pull/45992). Later releases warn of a scheme.
	if s.Mirror != nil && version.Before(25, 0) {
		mirror := *s.Mirror
		mirror.WithScheme = true
		s.Mirror = &mirror
	}
	if s.asksMirror() {
		s.Environment = append(slices.Clone(s.Environment), bootMirror+"="+s.Mirror.URL)
	}
	if servers, ok := s.DaemonConfig["dns"].([]string); ok && s.bootsFast() {
		s.Environment = append(slices.Clone(s.Environment), bootDNS+"="+strings.Join(servers, " "))
		delete(s.DaemonConfig, "dns")
	}
	return s, warnings, nil
}

// inside returns the address of the daemon's bridge and the ranges of networks inside, as
// far as this program chooses them. It returns nil if the pipeline has another bridge.
func (s Sidecar) inside() []string {
	bip, err := netip.ParsePrefix(fmt.Sprint(s.DaemonConfig["bip"]))
	if err != nil {
		return nil
	}
	list := []string{bip.Addr().String(), bip.Masked().String()}
	pools, _ := s.DaemonConfig["default-address-pools"].([]map[string]any)
	for _, p := range pools {
		list = append(list, fmt.Sprint(p["base"]))
	}
	return list
}
