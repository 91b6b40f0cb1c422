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

// Rights are the rights that a container has beyond, or short of, an ordinary container.
// The zero value is an ordinary container.
type Rights struct {
	CapAdd, CapDrop []string `json:",omitempty"`
	// Unconfined leaves out seccomp, AppArmor, and the engine's masks and write protection
	// in /proc and /sys.
	Unconfined bool `json:",omitempty"`
	// PrivateCgroups hides the cgroups above the container's own.
	PrivateCgroups bool `json:",omitempty"`
	// WritableCgroups makes the cgroups writable before the entrypoint; see Boot.
	WritableCgroups bool `json:",omitempty"`
	// Devices are devices of the host.
	Devices []Device `json:",omitempty"`
	// DeviceRules are rules for devices that the host may get later, such as "c 189:* rwm".
	DeviceRules []string `json:",omitempty"`
	// SecurityOpt are security profiles in the engine's form.
	SecurityOpt []string `json:",omitempty"`
	// GPUs is nil without GPUs.
	GPUs *GPUs `json:",omitempty"`
	// Runtime is the engine's name of an OCI runtime; empty means the engine's default.
	Runtime string `json:",omitempty"`
	// NoNewPrivileges makes setuid programs powerless.
	NoNewPrivileges bool `json:",omitempty"`
}

// Account is the user of an inner daemon without root.
type Account struct {
	UID  int
	Home string
}

// rootless is the account in the official dind-rootless images and images made from them.
var rootless = Account{UID: 1000, Home: "/home/rootless"}

// rootlessData is the VOLUME by which a rootless dind image is recognised.
const rootlessData = ".local/share/docker"

// reducedCapabilities are the capabilities without which dockerd, containerd and runc
// cannot build, pull and run as root. Because SYS_ADMIN is among them, this is no boundary.
var reducedCapabilities = []string{
	"SYS_ADMIN", "NET_ADMIN", "NET_RAW", "NET_BIND_SERVICE", "MKNOD", "SYS_CHROOT",
	"SETUID", "SETGID", "SETPCAP", "SETFCAP", "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH",
	"FOWNER", "FSETID", "KILL", "AUDIT_WRITE", "SYS_PTRACE",
}

// entitle gives the sidecar the rights that its privilege needs, and no more.
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
		// Image and pipeline have no say: root in this container would get the rights
		// below.
		sc.User = strconv.Itoa(account.UID)
		sc.DataPath = path.Join(account.Home, rootlessData)
		sc.FastBoot = false // containerd must live in the daemon's namespaces
		sc.Rights = Rights{
			// The daemon is an ordinary user. Only the setuid program newuidmap ever has
			// this capability.
			CapAdd:     []string{"SYS_ADMIN"},
			Unconfined: true, PrivateCgroups: true,
			Devices: devices([]string{"/dev/net/tun", "/dev/fuse"}),
		}
		// This is the MTU of the tunnel. Without it, packets of the daemon's networks would
		// be lost.
		sc.Environment = append(sc.Environment,
			"DOCKERD_ROOTLESS_ROOTLESSKIT_MTU="+strconv.Itoa(mtu(pl.s.Network, pl.facts)))
	case config.PrivilegeGVisor:
		// The sandbox's own kernel looks at these capabilities, not the host's kernel.
		sc.Rights = Rights{CapDrop: []string{"ALL"}, CapAdd: reducedCapabilities, Runtime: pl.runtime()}
		sc.Relay, sc.Layers = true, false
		sc.DataSize, sc.DataFile = pl.s.GVisor.Size.Bytes(), pl.s.GVisor.Storage == config.StorageFile
		// The kernel has too little of iptables for dockerd; see programs/gvisor.sh.
		sc.DaemonConfig["iptables"], sc.DaemonConfig["ip6tables"] = false, false
		delete(sc.DaemonConfig, "dns") // the relay asks these servers
		// Nor has the kernel the settings that dockerd wants for IPv6 on a bridge.
		for _, key := range []string{"ipv6", "fixed-cidr-v6", "experimental"} {
			delete(sc.DaemonConfig, key)
		}
	case config.PrivilegeRuntime:
		sc.Rights = Rights{Runtime: pl.runtime()}
	default:
		sc.Privileged = true
	}
}

// runtime returns the engine's name of the sidecar's runtime; empty for the engine's
// default.
func (pl *planner) runtime() string {
	return config.RuntimeOf(pl.s.Sidecar.Privilege, pl.s.Sidecar.Runtime)
}

// WithPrivilege returns the plan with another privilege of the sidecar. Only the
// container's rights are right in this plan. The privilege must be one without a runtime.
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

// ConfigDir is where a root docker daemon looks for daemon.json and certs.d.
const ConfigDir = "/etc/docker"

// RegistryCADir is the folder of registries' CAs below a configuration directory. docker
// and programs with the same convention look there.
func RegistryCADir(configDir string) string { return configDir + "/certs.d" }

// RegistryCAFile is where docker looks for the CA of a registry.
func RegistryCAFile(configDir, host string) string {
	return path.Join(RegistryCADir(configDir), host, "ca.crt")
}

// ConfigDir is where the inner daemon looks for daemon.json and certs.d.
func (s Sidecar) ConfigDir() string {
	if s.Account == nil {
		return ConfigDir
	}
	return path.Join(s.Account.Home, ".config/docker")
}

// Owner is the user id for the inner daemon's files.
func (s Sidecar) Owner() int {
	if s.Account == nil {
		return 0
	}
	return s.Account.UID
}

// checkImage returns a fault if the sidecar runs without root and its image is not
// rootless. The daemon in such an image would fail with a message about itself.
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
