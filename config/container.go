package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/docker/go-units"

	"gitlab-dind-executor/pattern"
)

// Container holds the settings for an ordinary container: a job container or a service. Its
// keys are those of the docker executor. Sidecar and helper have none of these settings.
type Container struct {
	// Volumes are directories and files of the engine's host; see Bind.
	Volumes []string `toml:"volumes"`
	// Tmpfs are paths in the container, with the options of mount.
	Tmpfs map[string]string `toml:"tmpfs"`
	// ShmSize bounds /dev/shm, in bytes; 0 means the engine's own bound, 64 MB.
	ShmSize Size `toml:"shm_size"`
	// Ulimit are limits of the container's processes by name, "soft:hard" or a number for
	// both.
	Ulimit map[string]string `toml:"ulimit"`
	// Sysctls are kernel parameters of the container's own namespaces.
	Sysctls map[string]string `toml:"sysctls"`
	// CapDrop are ordinary capabilities to take from this container.
	CapDrop []string `toml:"cap_drop"`
	// NoNewPrivileges makes setuid programs in the container powerless.
	NoNewPrivileges bool `toml:"no_new_privileges"`
	// DisableEntrypointOverwrite keeps the image's ENTRYPOINT against the pipeline's.
	DisableEntrypointOverwrite bool `toml:"disable_entrypoint_overwrite"`
	// ContainerLabels are labels besides ours. Their values may name variables of the job.
	ContainerLabels map[string]string `toml:"container_labels"`
	// LogOptions are options of the log driver json-file, from LogOptionNames.
	LogOptions map[string]string `toml:"log_options"`
}

// OwnLabels is the prefix of our own labels.
const OwnLabels = "gitlab-dind-executor."

// LogOptionNames are the options of json-file that add to a line of a log. Other options
// would change the amount of log that the engine keeps.
var LogOptionNames = []string{"env", "labels"}

// noContainer returns a Container without content, in the form that an empty file gives.
func noContainer() Container {
	return Container{
		Volumes: []string{}, Tmpfs: map[string]string{}, Ulimit: map[string]string{}, Sysctls: map[string]string{},
		CapDrop: []string{}, ContainerLabels: map[string]string{}, LogOptions: map[string]string{},
	}
}

var (
	// tmpfsOption is an option as the engine takes it: a flag, or a number with a unit.
	tmpfsOption = pattern.New(`^(ro|rw|(no)?exec|(no)?suid|nodev|a?sync|dirsync|(no)?(dir|rel)?atime|(no)?strictatime|(no)?mand|` +
		`(size|nr_inodes|nr_blocks)=[0-9]+[kmgKMG%]?|mode=[0-7]{3,4}|[ug]id=[0-9]+)$`)
	// ownSysctl is a parameter of which each container has its own. Source:
	// https://docs.docker.com/reference/cli/docker/container/run/#sysctl
	ownSysctl = pattern.New(`^(net\.[a-z0-9][A-Za-z0-9_./-]*|fs\.mqueue\.[a-z_]+|kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced))$`)
	labelName = pattern.New(`^[A-Za-z0-9]([A-Za-z0-9._/-]{0,126}[A-Za-z0-9])?$`)
)

// mostOfText bounds a value for the engine, in bytes.
const mostOfText = 1024

// plainText tells whether a value is short and has no control characters.
func plainText(s string) bool {
	return len(s) <= mostOfText && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// validateContainer checks the settings of one kind of container. cached are the cached
// paths in the same containers.
func validateContainer(table string, c Container, cached []string, f *faults) {
	validateBinds(table+".volumes", c.Volumes, c.Tmpfs, cached, f)
	for _, path := range slices.Sorted(maps.Keys(c.Tmpfs)) {
		key := dotted(append(strings.Split(table, "."), "tmpfs", path))
		if why := refusedTarget(path); why != "" {
			f.add(key, "%s", why)
		}
		if slices.Contains(cached, path) {
			f.add(key, "is one of cache.paths as well")
		}
		for _, o := range strings.Split(c.Tmpfs[path], ",") {
			if o != "" && !tmpfsOption.MatchString(o) {
				f.add(key, "has an option that is none of tmpfs: %q", o)
			}
		}
	}
	if c.ShmSize < 0 {
		f.add(table+".shm_size", "must not be negative")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Ulimit)) {
		key := dotted(append(strings.Split(table, "."), "ulimit", name))
		switch u, err := units.ParseUlimit(name + "=" + c.Ulimit[name]); {
		case err != nil && strings.Contains(err.Error(), "invalid ulimit type"):
			f.add(key, "is no limit that a container can have: nofile, nproc and memlock are some")
		case err != nil || u.Soft < -1 || u.Hard < -1:
			f.add(key, `must be one number or "soft:hard", with the soft limit not above the hard one, and -1 for none: %q`, c.Ulimit[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Sysctls)) {
		key := dotted(append(strings.Split(table, "."), "sysctls", name))
		if !ownSysctl.MatchString(name) || strings.Contains(name, "..") {
			f.add(key, "is this host's, not a container's own: those are net.*, fs.mqueue.* and some of kernel.*")
		}
		if v := c.Sysctls[name]; v == "" || !plainText(v) {
			f.add(key, "must be one line of text, and not empty")
		}
	}
	validateCapabilities(table+".cap_drop", c.CapDrop, f)
	for _, name := range slices.Sorted(maps.Keys(c.ContainerLabels)) {
		key := dotted(append(strings.Split(table, "."), "container_labels", name))
		switch {
		case !labelName.MatchString(name):
			f.add(key, "is no name of a label: letters, digits and dots, at most 128")
		case strings.HasPrefix(strings.ToLower(name), OwnLabels):
			f.add(key, "begins with %s, by which this program knows what is its own", OwnLabels)
		case !plainText(c.ContainerLabels[name]):
			f.add(key, "must be one line of at most %d bytes", mostOfText)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.LogOptions)) {
		key := dotted(append(strings.Split(table, "."), "log_options", name))
		if !slices.Contains(LogOptionNames, name) {
			f.add(key, "must be one of %s: what else there is would take lines from the job log", strings.Join(LogOptionNames, ", "))
		} else if !plainText(c.LogOptions[name]) {
			f.add(key, "must be one line of at most %d bytes", mostOfText)
		}
	}
}

// Bind is a directory or a file of the engine's host in a container.
type Bind struct {
	// Source and Target are clean absolute paths, on the host and in the container.
	Source, Target string
	ReadOnly       bool
}

// ParseBind reads "SOURCE:TARGET", with ":ro" or ":rw" behind. The error is in words for
// the reader of the settings.
func ParseBind(text string) (Bind, error) {
	parts := strings.Split(text, ":")
	b := Bind{}
	switch {
	case len(parts) == 3 && parts[2] == "ro":
		b.ReadOnly = true
	case len(parts) == 3 && parts[2] == "rw", len(parts) == 2:
	case len(parts) == 1:
		return b, fmt.Errorf("names no directory of the host; a path that a project keeps goes to cache.paths: %q", text)
	default:
		return b, fmt.Errorf(`must be "HOST:PATH", or that with ":ro": %q`, text)
	}
	b.Source, b.Target = parts[0], parts[1]
	if !strings.HasPrefix(b.Source, "/") {
		return b, fmt.Errorf("must begin with the path of a directory or file of the host, not with a volume's name: %q", text)
	}
	if why := unclean(b.Source); why != "" {
		return b, fmt.Errorf("%s: %q", why, b.Source)
	}
	return b, nil
}
