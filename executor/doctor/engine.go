package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/removal"
	"gitlab-dind-executor/driver/sandbox"
)

// Engine judges the engine itself.
func Engine(e driver.Engine) Finding {
	switch {
	case e.OS != "" && e.OS != "linux":
		return Bad("engine", "name an engine that runs Linux containers", "docker %s at %s is for %s containers", e.Version, e.Address, e.OS)
	case e.TooOld:
		return Bad("engine", "install a newer docker engine on this host", "docker %s at %s is too old: %s is the oldest that serves", e.Version, e.Address, driver.OldestEngine)
	}
	how := ""
	if e.Rootless {
		how += ", which runs without root"
	}
	if e.Remapped {
		how += ", with userns-remap"
	}
	return Fine("engine", "docker %s at %s%s", e.Version, e.Address, how)
}

// Storage judges the engine's storage driver.
func Storage(e driver.Engine) Finding {
	switch e.StorageDriver {
	case "vfs":
		return Doubt("storage driver", "use a filesystem that overlay2 works on for the engine's data root", "vfs copies every layer: slow, and it fills the disk")
	case "devicemapper", "aufs", "overlay":
		return Doubt("storage driver", "move the engine to overlay2", "%s is what docker has given up", e.StorageDriver)
	}
	return Fine("storage driver", "%s", orUnknown(e.StorageDriver))
}

// Cgroups judges the engine's cgroups, which limit containers.
func Cgroups(e driver.Engine, s config.Settings) Finding {
	text := "v" + e.CgroupVersion
	if e.CgroupVersion == "" {
		text = "of a version that the engine does not tell"
	}
	if e.CgroupDriver != "" {
		text += ", by " + e.CgroupDriver
	}
	switch {
	case e.CgroupDriver == "none":
		return Doubt("cgroups", "give the engine cgroups, or every job can take all of this host", "none: [limits] have no effect")
	case s.Sidecar.Privilege == config.PrivilegeRootless || s.Sidecar.Privilege == config.PrivilegeGVisor:
		// For any version of cgroups. A daemon without root limits containers only through
		// its user's systemd, and a sidecar has none. gVisor counts the memory and CPUs of
		// containers, and bounds neither.
		ignored := "containers in " + s.Sidecar.Privilege + " sidecars have no limits of their own"
		if s.Limits.Sidecar.Memory == 0 {
			return Doubt("cgroups", "set limits.sidecar.memory, which holds for all that runs in a sidecar together", "%s: %s, and nothing bounds them all", text, ignored)
		}
		return Fine("cgroups", "%s: %s, limits.sidecar bounds them all", text, ignored)
	}
	return Fine("cgroups", "%s", text)
}

// The bounds on a clock's error. TLS of registries bears minutes, and the sandbox's
// certificates an hour.
const (
	skewDoubt = 5 * time.Second
	skewBad   = 10 * time.Minute
)

// Clock judges the clock of the engine's host beside this host's.
func Clock(e driver.Engine) Finding {
	skew, way := e.Ahead, "ahead of"
	if skew < 0 {
		skew, way = -skew, "behind"
	}
	const hint = "let both hosts follow the same time server (timedatectl, chronyc tracking)"
	switch sure := skew - e.Doubt; {
	case e.Ahead == 0 && e.Doubt == 0:
		return Fine("clock", "the engine does not tell its time")
	case sure > skewBad:
		return Bad("clock", hint, "the engine's clock is %s %s this host's: certificates are not valid yet, or no more", config.Duration(skew.Round(time.Second)), way)
	case sure > skewDoubt:
		return Doubt("clock", hint, "the engine's clock is %s %s this host's", config.Duration(skew.Round(time.Second)), way)
	}
	return Fine("clock", "the clocks of engine and host agree")
}

// Room judges the free space of this host for a job without a policy: a finding for disk,
// and a finding for memory.
func Room(s config.Settings, free plan.Free, dataRoot string) []Finding {
	a := plan.Room(s)
	memory := a.MemoryKeys()
	judge := func(check, where, key string, free int64, least config.Size, hint string) Finding {
		switch {
		case free < 0:
			return Fine(check, "not known: the engine is on another host, or does not tell")
		case free < least.Bytes():
			return Bad(check, hint, "%s are free%s, and jobs wait for %s (%s)", config.Size(free), where, least, key)
		}
		return Fine(check, "%s are free%s", config.Size(free), where)
	}
	return []Finding{
		judge("disk", " at "+dataRoot, "admission.min_free_disk", free.Disk, a.MinFreeDisk,
			"make room (docker system df, gitlab-dind-executor gc), or change admission in the settings"),
		judge("memory", "", memory, free.Memory, a.MinFreeMemory,
			"lower concurrent in the Runner's config.toml, or change "+memory+" in the settings"),
	}
}

// Leftovers judges the objects that a sweep would remove, and volumes that resist.
func Leftovers(verdicts []sandbox.Verdict, stuck []removal.StuckVolume) Finding {
	n := map[sandbox.Fate]int{}
	for _, v := range verdicts {
		n[v.Fate]++
	}
	switch {
	case len(stuck) > 0:
		return Doubt("leftovers", "gitlab-dind-executor gc empties and removes them; docs/operations.md says what to do if it cannot: Volumes that resist",
			"%d volumes that resist their removal, such as %s: %s", len(stuck), stuck[0].Name, stuck[0].Reason)
	case n[sandbox.Unclear] > 0:
		return Doubt("leftovers", "gitlab-dind-executor gc --verbose names them; remove them by hand when no job has them", "%d sandboxes that cannot be judged", n[sandbox.Unclear])
	case n[sandbox.Swept] > 0:
		return Doubt("leftovers", "gitlab-dind-executor gc removes them, and so does the next job", "%d sandboxes that no living job owns", n[sandbox.Swept])
	}
	return Fine("leftovers", "none")
}

// Grant is the result of trying a privilege: Err is nil for an available privilege.
type Grant struct {
	Privilege string
	Err       error
}

// Wanted returns the privileges and the runtimes in the settings, for all jobs and by
// policy.
func Wanted(s config.Settings) (privileges, runtimes []string) {
	add := func(sc config.Sidecar) {
		if !slices.Contains(privileges, sc.Privilege) {
			privileges = append(privileges, sc.Privilege)
		}
		if r := config.RuntimeOf(sc.Privilege, sc.Runtime); r != "" && !slices.Contains(runtimes, r) {
			runtimes = append(runtimes, r)
		}
	}
	add(s.Sidecar)
	for _, p := range s.Policies {
		if p.Sidecar.Privilege != "" || p.Sidecar.Runtime != "" {
			add(p.Sidecar.On(s.Sidecar))
		}
	}
	return privileges, runtimes
}

// Privileges judges the modes of sidecar.privilege that the engine and this host allow. The
// settings' modes must be allowed; the finding names the others, too.
func Privileges(s config.Settings, e driver.Engine, grants []Grant) Finding {
	const check = "privilege"
	wanted, runtimes := Wanted(s)
	for _, r := range runtimes {
		if !slices.Contains(e.Runtimes, r) {
			return Bad(check, `install it and name it under "runtimes" in the engine's daemon.json (that of gVisor: docs/gvisor.md), or change sidecar.runtime`,
				"the engine has no runtime %q; it has %s", r, strings.Join(e.Runtimes, ", "))
		}
	}
	var others, refused []string
	for _, g := range grants {
		switch {
		case slices.Contains(wanted, g.Privilege) && g.Err != nil:
			f := Of(check, Error, g.Err)
			f.Text = fmt.Sprintf("%s, which the settings want, is refused: %s", g.Privilege, f.Text)
			return f
		case slices.Contains(wanted, g.Privilege):
		case g.Err != nil:
			refused = append(refused, g.Privilege)
		default:
			others = append(others, g.Privilege)
		}
	}
	text := strings.Join(wanted, " and ") + " is allowed"
	if len(wanted) > 1 {
		text = strings.Join(wanted, " and ") + " are allowed"
	}
	if len(others) > 0 {
		text += "; so would be " + strings.Join(others, ", ")
	}
	if len(refused) > 0 {
		text += "; not " + strings.Join(refused, ", ")
	}
	return Fine(check, "%s", text)
}

func orUnknown(s string) string {
	if s == "" {
		return "not known"
	}
	return s
}
