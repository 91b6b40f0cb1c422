package plan

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"gitlab-dind-executor/fault"
)

// DindImage is what an image tells of the docker daemon in it.
type DindImage struct {
	// ID is the engine's, sha256:…
	ID     string
	Docker Version
	// Entrypoint, Command and User are the image's own.
	Entrypoint, Command []string
	User                string
	// Volumes are the cleaned paths of its VOLUMEs.
	Volumes []string
}

// EngineHost is what the engine tells of its host. Asking costs time, so it is
// the zero value where AsksHost says no.
type EngineHost struct {
	// CgroupVersion is "1" or "2".
	CgroupVersion string
	// Filesystem is what volumes lie on, such as "extfs" or "btrfs".
	Filesystem string
}

// assumed is the release that an image which does not tell is taken for.
var assumed = Version{20, 10}

// minAPI opens a daemon to clients from before 2016 on, as far back as it goes.
const minAPI = "DOCKER_MIN_API_VERSION=1.24"

// AsksHost tells whether Fit needs to know the engine's host: for an image that
// may not run there, and for an unusual storage driver.
func (s Sidecar) AsksHost(image DindImage) bool {
	return beforeCgroupV2(image.Docker) || storageDrivers[s.StorageDriver].filesystem != ""
}

// bootsFast tells it of a sidecar that fits its image.
func (s Sidecar) bootsFast() bool {
	return slices.ContainsFunc(s.Entrypoint, func(arg string) bool { return strings.HasSuffix(arg, bootLast) })
}

// queues tells of a sidecar that boots as it will, with a release of docker in it,
// whether its port can be had before the daemon answers. dockerd listens before it
// looks for containerd and sets up networks, and takes what has connected once it
// serves (cmd/dockerd/daemon.go, loadListeners). So the kernel holds connections for
// the rest of the boot, which is short where containerd runs already. Where something
// else may listen first, or the rest may be long, nobody goes by the port.
func (s Sidecar) queues(docker Version) bool {
	switch {
	case !s.Stdin || s.Given.Runs() || !docker.Known() || docker.Before(20, 10):
		return false
	case s.Relay || s.Rights.Runtime != "": // another kernel, or another user namespace
		return false
	}
	return s.Seed == ""
}

// isRoot tells it of an image's USER, which may name a group, too.
func isRoot(user string) bool {
	name, _, _ := strings.Cut(user, ":")
	return name == "" || name == "root" || name == "0"
}

func beforeCgroupV2(v Version) bool { return v.Known() && v.Before(20, 10) }

// Fit makes the sidecar fit its image: what dockerd is told, and how it boots,
// depends on its version. The warnings are for the job log. The error is a fault
// of the job when that image cannot run here at all.
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
	// From 29 on the daemon refuses older clients unless it is told otherwise.
	// How far back a later release would let us go is not known yet, and one
	// that does not like the number does not start.
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
			own = image.Command // which the engine leaves out once there is another
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
		s.FastBoot = false // as another user it could start and write nothing
	}
	s.Entrypoint, s.Command = s.Boot(image.Entrypoint, image.Command)
	s.Stdin = s.bootsFast() && s.takesFiles()
	s.Queues = s.queues(image.Docker)
	if slices.ContainsFunc(flags, func(arg string) bool {
		return strings.HasPrefix(arg, "--registry-mirror") || strings.HasPrefix(arg, "--insecure-registry")
	}) {
		s.Mirror = nil // it needs both keys, and dockerd takes neither beside its flag
	}
	// The builder of releases before 25 takes the address of an insecure registry for
	// that of one with TLS unless its scheme is there (github.com/moby/moby/pull/45992);
	// later ones warn of a scheme.
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

// inside are the address of the daemon's bridge and the ranges of networks inside, as
// far as we choose them; none if the pipeline has another bridge.
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
