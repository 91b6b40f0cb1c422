package config

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"gitlab-dind-executor/pattern"
)

// Rights make a job container more powerful than an ordinary container. Only a policy with
// named projects can give rights: everybody with push rights there can use them against the
// host.
type Rights struct {
	CapAdd []string `toml:"cap_add"`
	// SecurityOpt are "seccomp=…", "apparmor=…" and "label=…", in the engine's notation.
	SecurityOpt []string `toml:"security_opt"`
	// Devices are "HOST", "HOST:PATH" or "HOST:PATH:rwm".
	Devices           []string `toml:"devices"`
	DeviceCgroupRules []string `toml:"device_cgroup_rules"`
	// GPUs is in the notation of docker run --gpus: "all", a number, or "device=0,1".
	GPUs string `toml:"gpus"`
	// Runtime is the engine's name of an OCI runtime; empty means its default.
	Runtime string `toml:"runtime"`
}

// ServiceRights are rights of services.
type ServiceRights struct {
	SecurityOpt []string `toml:"security_opt"`
	// Devices are devices by pattern. A pattern matches normalised references of images.
	Devices map[string][]string `toml:"devices"`
	GPUs    string              `toml:"gpus"`
}

// Names returns the keys of the rights that r gives, such as "cap_add".
func (r Rights) Names() (names []string) {
	for _, k := range []struct {
		name  string
		given bool
	}{
		{"cap_add", len(r.CapAdd) > 0},
		{"security_opt", len(r.SecurityOpt) > 0},
		{"devices", len(r.Devices) > 0},
		{"device_cgroup_rules", len(r.DeviceCgroupRules) > 0},
		{"gpus", r.GPUs != ""},
		{"runtime", r.Runtime != ""},
	} {
		if k.given {
			names = append(names, k.name)
		}
	}
	return names
}

// Names returns the keys of the rights that r gives, such as "devices".
func (r ServiceRights) Names() []string {
	var devices []string
	for _, list := range r.Devices {
		devices = append(devices, list...)
	}
	return Rights{SecurityOpt: r.SecurityOpt, Devices: devices, GPUs: r.GPUs}.Names()
}

// On returns the rights in to, with the rights that r gives in their place.
func (r Rights) On(to Rights) Rights {
	if r.CapAdd != nil {
		to.CapAdd = r.CapAdd
	}
	if r.SecurityOpt != nil {
		to.SecurityOpt = r.SecurityOpt
	}
	if r.Devices != nil {
		to.Devices = r.Devices
	}
	if r.DeviceCgroupRules != nil {
		to.DeviceCgroupRules = r.DeviceCgroupRules
	}
	if r.GPUs != "" {
		to.GPUs = r.GPUs
	}
	if r.Runtime != "" {
		to.Runtime = r.Runtime
	}
	return to
}

// On returns the rights in to, with the rights that r gives in their place.
func (r ServiceRights) On(to ServiceRights) ServiceRights {
	if r.SecurityOpt != nil {
		to.SecurityOpt = r.SecurityOpt
	}
	if r.Devices != nil {
		to.Devices = r.Devices
	}
	if r.GPUs != "" {
		to.GPUs = r.GPUs
	}
	return to
}

// Capabilities are the capabilities of Linux, without CAP_. Source: capabilities(7).
var Capabilities = strings.Fields(`AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN
	DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE
	MKNOD NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN
	SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM`)

// Capability returns a capability's name as the engine writes it: "cap_chown" is CHOWN.
func Capability(name string) string { return strings.TrimPrefix(strings.ToUpper(name), "CAP_") }

func validateCapabilities(key string, list []string, f *faults) {
	for _, c := range list {
		if name := Capability(c); name != "ALL" && !slices.Contains(Capabilities, name) {
			f.add(key, "is no capability: %q", c)
		}
	}
}

var (
	devicePermissions = pattern.New(`^[rwm]{1,3}$`)
	deviceRule        = pattern.New(`^[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}$`)
	gpuRequest        = pattern.New(`^(all|[1-9][0-9]{0,3}|(count=)(all|[1-9][0-9]{0,3})|"?device=[A-Za-z0-9_-]+(,[A-Za-z0-9_-]+)*"?)$`)
	simpleName        = pattern.New(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)
)

// ParseDevice reads "HOST", "HOST:PATH" or "HOST:PATH:rwm". path defaults to host, and
// permissions to "rwm". ok is false for anything but a device below /dev.
func ParseDevice(text string) (host, path, permissions string, ok bool) {
	parts := strings.Split(text, ":")
	host, path, permissions = parts[0], parts[0], "rwm"
	if len(parts) > 1 {
		path = parts[1]
	}
	if len(parts) > 2 {
		permissions = parts[2]
	}
	return host, path, permissions, len(parts) <= 3 && strings.HasPrefix(host, "/dev/") && unclean(host) == "" &&
		path != "/" && unclean(path) == "" && devicePermissions.MatchString(permissions)
}

func validateDevices(key string, list []string, f *faults) {
	for _, d := range list {
		if _, _, _, ok := ParseDevice(d); !ok {
			f.add(key, `must be a device like "/dev/kvm", with ":PATH" or ":PATH:rwm" behind it: %q`, d)
		}
	}
}

func validateSecurityOptions(key string, list []string, f *faults) {
	for _, o := range list {
		name, value, _ := strings.Cut(o, "=")
		switch {
		case strings.HasPrefix(o, "no-new-privileges"):
			f.add(key, "no-new-privileges is a setting of its own: no_new_privileges = true")
		case name == "seccomp" && strings.HasPrefix(value, "{"):
			if !json.Valid([]byte(value)) {
				f.add(key, "the profile of seccomp is no JSON")
			}
		case name == "seccomp" && (value == "unconfined" || value == "builtin"):
		case name == "seccomp":
			f.add(key, "the profile of seccomp itself must stand here, seccomp={…}, not its path")
		case name == "apparmor" && simpleName.MatchString(value), name == "label" && value != "" && plainText(value):
		default:
			f.add(key, "must be seccomp=…, apparmor=… or label=…: %q", o)
		}
	}
}

func validateGPUs(key, gpus string, f *faults) {
	if gpus != "" && !gpuRequest.MatchString(gpus) {
		f.add(key, `must be "all", a number, or "device=0,1": %q`, gpus)
	}
}

func validateRights(table string, r Rights, f *faults) {
	validateCapabilities(table+".cap_add", r.CapAdd, f)
	validateSecurityOptions(table+".security_opt", r.SecurityOpt, f)
	validateDevices(table+".devices", r.Devices, f)
	for _, rule := range r.DeviceCgroupRules {
		if !deviceRule.MatchString(rule) {
			f.add(table+".device_cgroup_rules", `must be like "c 189:* rwm": %q`, rule)
		}
	}
	validateGPUs(table+".gpus", r.GPUs, f)
	if r.Runtime != "" && !simpleName.MatchString(r.Runtime) {
		f.add(table+".runtime", "is no name of a runtime: %q", r.Runtime)
	}
}

func validateServiceRights(table string, r ServiceRights, f *faults) {
	validateSecurityOptions(table+".security_opt", r.SecurityOpt, f)
	for _, pattern := range slices.Sorted(maps.Keys(r.Devices)) {
		key := dotted(append(strings.Split(table, "."), "devices", pattern))
		validateImagePatterns(key, []string{pattern}, f)
		validateDevices(key, r.Devices[pattern], f)
	}
	validateGPUs(table+".gpus", r.GPUs, f)
}

// validateWhoHasRights refuses rights without projects that the settings name.
func validateWhoHasRights(table string, names, projects []string, f *faults) {
	if len(projects) > 0 {
		return
	}
	for _, name := range names {
		f.add(table+"."+name, "only a [[policy]] that names its projects can give it: it opens a way to this host")
	}
}
