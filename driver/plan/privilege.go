package plan

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/fault"
)

// Rights are what a container may do beyond, or short of, an ordinary one.
// The zero value is an ordinary container.
type Rights struct {
	CapAdd, CapDrop []string `json:",omitempty"`
	// Unconfined leaves out seccomp, AppArmor and what the engine masks or
	// write-protects in /proc and /sys.
	Unconfined bool `json:",omitempty"`
	// PrivateCgroups hides the cgroups above the container's own.
	PrivateCgroups bool `json:",omitempty"`
	// WritableCgroups are made before the entrypoint; see Boot.
	WritableCgroups bool `json:",omitempty"`
	// Devices are of the host.
	Devices []Device `json:",omitempty"`
	// DeviceRules are for devices that the host may get later, as "c 189:* rwm".
	DeviceRules []string `json:",omitempty"`
	// SecurityOpt are profiles, as the engine takes them.
	SecurityOpt []string `json:",omitempty"`
	// GPUs is nil for none.
	GPUs *GPUs `json:",omitempty"`
	// Runtime is the engine's name of an OCI runtime; empty means its default.
	Runtime string `json:",omitempty"`
	// NoNewPrivileges makes setuid programs powerless.
	NoNewPrivileges bool `json:",omitempty"`
}

// Account is the user that an inner daemon without root runs as.
type Account struct {
	UID  int
	Home string
}

// rootless is the account in the official dind-rootless images, which images
// made from them keep.
var rootless = Account{UID: 1000, Home: "/home/rootless"}

// rootlessData is the VOLUME that tells a rootless dind image from others.
const rootlessData = ".local/share/docker"

// reducedCapabilities are those that dockerd, containerd and runc cannot do
// without to build, pull and run as root. SYS_ADMIN among them is why this is
// no boundary.
var reducedCapabilities = []string{
	"SYS_ADMIN", "NET_ADMIN", "NET_RAW", "NET_BIND_SERVICE", "MKNOD", "SYS_CHROOT",
	"SETUID", "SETGID", "SETPCAP", "SETFCAP", "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH",
	"FOWNER", "FSETID", "KILL", "AUDIT_WRITE", "SYS_PTRACE",
}

// entitle gives the sidecar what its privilege needs, and no more.
func (pl *planner) entitle(sc *Sidecar) {
	switch pl.s.Sidecar.Privilege {
	case config.PrivilegeReduced:
		sc.Rights = Rights{
			CapDrop: []string{"ALL"}, CapAdd: reducedCapabilities,
			Unconfined: true, PrivateCgroups: true, WritableCgroups: true,
		}
	case config.PrivilegeRootless:
		account := rootless
		sc.Account = &account
		// Whatever image and pipeline say: as root it would hold what follows.
		sc.User = strconv.Itoa(account.UID)
		sc.DataPath = path.Join(account.Home, rootlessData)
		sc.FastBoot = false // its containerd must live in the daemon's namespaces
		sc.Rights = Rights{
			// Only setuid newuidmap ever has it: the daemon is an ordinary user.
			CapAdd:     []string{"SYS_ADMIN"},
			Unconfined: true, PrivateCgroups: true,
			Devices: devices([]string{"/dev/net/tun", "/dev/fuse"}),
		}
		// The tunnel's, or packets that the daemon's networks send would be lost.
		sc.Environment = append(sc.Environment,
			"DOCKERD_ROOTLESS_ROOTLESSKIT_MTU="+strconv.Itoa(mtu(pl.s.Network, pl.facts)))
	case config.PrivilegeGVisor:
		// A kernel of the sandbox's own looks at these capabilities, not the host's.
		sc.Rights = Rights{CapDrop: []string{"ALL"}, CapAdd: reducedCapabilities, Runtime: pl.runtime()}
		sc.Relay, sc.Layers = true, false
		sc.DataSize, sc.DataFile = pl.s.GVisor.Size.Bytes(), pl.s.GVisor.Storage == config.StorageFile
		// The kernel has too little of iptables for dockerd; see programs/gvisor.sh.
		sc.DaemonConfig["iptables"], sc.DaemonConfig["ip6tables"] = false, false
		delete(sc.DaemonConfig, "dns") // the relay asks them
		// Nor does it have what dockerd wants to set for IPv6 on a bridge.
		for _, key := range []string{"ipv6", "fixed-cidr-v6", "experimental"} {
			delete(sc.DaemonConfig, key)
		}
	case config.PrivilegeRuntime:
		sc.Rights = Rights{Runtime: pl.runtime()}
	default:
		sc.Privileged = true
	}
}

// runtime is the engine's name of the sidecar's; empty for its default.
func (pl *planner) runtime() string {
	return config.RuntimeOf(pl.s.Sidecar.Privilege, pl.s.Sidecar.Runtime)
}

// WithPrivilege is the plan with a sidecar of another privilege, as far as what
// its container may do is concerned. It is for those that need no runtime.
func (p *Plan) WithPrivilege(privilege string) *Plan {
	other := *p
	other.Sidecar.Privileged, other.Sidecar.Rights, other.Sidecar.Account = false, Rights{}, nil
	if privilege != config.PrivilegeRootless && p.Sidecar.Account != nil {
		other.Sidecar.User = ""
	}
	pl := &planner{s: config.Settings{Sidecar: config.Sidecar{Privilege: privilege}}}
	other.Sidecar.Environment, other.Sidecar.DaemonConfig = nil, map[string]any{}
	pl.entitle(&other.Sidecar)
	return &other
}

// ConfigDir is where a docker daemon of root looks for daemon.json and certs.d.
const ConfigDir = "/etc/docker"

// RegistryCADir is where docker, and what follows its ways, looks for the CAs of
// registries, below its directory of configuration.
func RegistryCADir(configDir string) string { return configDir + "/certs.d" }

// RegistryCAFile is where docker looks for the CA of a registry.
func RegistryCAFile(configDir, host string) string {
	return path.Join(RegistryCADir(configDir), host, "ca.crt")
}

// ConfigDir is where the inner daemon looks for them.
func (s Sidecar) ConfigDir() string {
	if s.Account == nil {
		return ConfigDir
	}
	return path.Join(s.Account.Home, ".config/docker")
}

// Owner is the user id of the inner daemon's files.
func (s Sidecar) Owner() int {
	if s.Account == nil {
		return 0
	}
	return s.Account.UID
}

// checkImage returns a fault when the sidecar is to run without root and the
// image is not made for that. The daemon in it would fail with a message about
// itself.
func (s Sidecar) checkImage(image DindImage) error {
	if s.Account == nil || slices.Contains(image.Volumes, s.DataPath) {
		return nil
	}
	hint := "use docker:dind-rootless or docker:<version>-dind-rootless, or leave the service out to get the runner's own"
	if strings.Contains(s.Image.Name, "@") {
		hint = "the rootless variant of a digest is not known: name the image by its tag, or a rootless image by its digest"
	}
	return fault.Job(fmt.Errorf("image %s is no rootless dind image, and the docker daemon of this job runs without root", s.Image.Name), hint)
}
