package config

import (
	"maps"
	"path"
	"slices"
	"strings"
)

// The admin says what of the host a container sees, and no pipeline can. These are
// what nobody can mean to give to all who can push to a project.

// hostsOwn are parts of a host that give the host away with them. A directory that one
// of them lies in is refused as well.
var hostsOwn = []struct {
	path string
	// below says that what lies in it is refused, too.
	below bool
	why   string
}{
	{"/run/docker.sock", false, "is the host's docker engine: docker in a job is the daemon of its own sidecar"},
	{"/var/run/docker.sock", false, "is the host's docker engine: docker in a job is the daemon of its own sidecar"},
	{"/run/containerd", true, "is the host's container engine"},
	{"/var/run/containerd", true, "is the host's container engine"},
	{"/var/lib/docker", true, "is where the host's docker engine keeps its data"},
	{"/var/lib/containerd", true, "is where the host's container engine keeps its data"},
	{"/etc/gitlab-runner/config.toml", false, "holds the Runner's tokens"},
	{"/etc/gitlab-runner/dind.toml", false, "holds these settings"},
	{"/proc", true, "is the host's kernel"},
	{"/sys", true, "is the host's kernel"},
	{"/dev", true, "are the host's devices: a [[policy]] can give some, by job.devices"},
}

// engineSockets are names of sockets by which an engine is reached, wherever it lies.
var engineSockets = []string{"docker.sock", "containerd.sock", "podman.sock", "crio.sock", "buildkitd.sock"}

// taken are paths in a container that hold something else.
var taken = map[string]string{
	"/":             "is all of the container",
	"/builds":       "holds the job's sources",
	"/cache":        "holds the job's cache",
	"/certs/client": "holds the certificates for the job's daemon",
}

// unclean says what is wrong with a path, or "".
func unclean(p string) string {
	switch {
	case !strings.HasPrefix(p, "/"):
		return "must be an absolute path"
	case path.Clean(p) != p:
		return "must be written as " + path.Clean(p)
	case !plainText(p):
		return "must hold no control characters"
	}
	return ""
}

// within tells whether a path is another one or lies below it.
func within(p, dir string) bool {
	return p == dir || dir == "/" || strings.HasPrefix(p, dir+"/")
}

// refusedTarget says why nothing of the settings can be at a path in a container, or
// "".
func refusedTarget(p string) string {
	if why := unclean(p); why != "" {
		return why
	}
	if why := taken[p]; why != "" {
		return why
	}
	for _, kernel := range []string{"/proc", "/sys"} {
		if within(p, kernel) {
			return "is the kernel's"
		}
	}
	return ""
}

// refusedSource says why nothing of the host at a path can be given, or "".
func refusedSource(p string) string {
	if slices.Contains(engineSockets, path.Base(p)) {
		return "is a socket of a container engine: whoever reaches that is root on this host"
	}
	for _, h := range hostsOwn {
		switch {
		case within(h.path, p) && h.path != p:
			return "holds " + h.path + ", which " + h.why
		case p == h.path, h.below && within(p, h.path):
			return h.why
		}
	}
	return ""
}

// validateBinds checks the directories of the host that one kind of container gets,
// besides what is in memory there, or cached.
func validateBinds(key string, volumes []string, tmpfs map[string]string, cached []string, f *faults) {
	targets := map[string]bool{}
	for _, v := range volumes {
		b, err := ParseBind(v)
		if err != nil {
			f.add(key, "%s", err)
			continue
		}
		if why := refusedSource(b.Source); why != "" {
			f.add(key, "%s %s", b.Source, why)
		}
		if why := refusedTarget(b.Target); why != "" {
			f.add(key, "%s %s", b.Target, why)
		}
		if _, too := tmpfs[b.Target]; too || targets[b.Target] || slices.Contains(cached, b.Target) {
			f.add(key, "two things are at %s", b.Target)
		}
		targets[b.Target] = true
	}
}

// given is a directory of the host that some kind of container gets, by the key that says
// so.
type given struct {
	key string
	Bind
}

// givenBy are all of the settings.
func givenBy(s Settings) (all []given) {
	add := func(key string, volumes []string) {
		for _, v := range volumes {
			if b, err := ParseBind(v); err == nil {
				all = append(all, given{key, b})
			}
		}
	}
	add("job.volumes", s.Job.Volumes)
	add("services.volumes", s.Services.Volumes)
	for i, p := range s.Policies {
		add(policyKey(i)+".job.volumes", p.Job.Volumes)
		add(policyKey(i)+".services.volumes", p.Services.Volumes)
	}
	return all
}

// validateNesting looks at the directories that containers can write. What lies in one is
// theirs to replace: by a link, which the engine or a hook follows to wherever it leads on
// the host.
func validateNesting(s Settings, f *faults) {
	all := givenBy(s)
	inside := func(p string) (outer string, ok bool) {
		i := slices.IndexFunc(all, func(g given) bool { return p != "" && !g.ReadOnly && g.Source != p && within(p, g.Source) })
		if i < 0 {
			return "", false
		}
		return all[i].Source, true
	}
	const how = "%s lies in %s, where jobs could put a link in its place: give that for reading alone (:ro)"
	for _, g := range all {
		if outer, ok := inside(g.Source); ok {
			f.add(g.key, how, g.Source, outer)
		}
	}
	read := map[string]string{
		"helper.runner_binary": s.Helper.RunnerBinary, "mirror.password_file": s.Mirror.PasswordFile,
		"bundles.dir": s.Bundles.Dir, "log.file": s.Log.File,
	}
	for host, r := range s.Registry {
		read[dotted([]string{"registry", host, "ca_file"})] = r.CAFile
	}
	for _, key := range slices.Sorted(maps.Keys(read)) {
		if outer, ok := inside(read[key]); ok {
			f.add(key, how, read[key], outer)
		}
	}
}
