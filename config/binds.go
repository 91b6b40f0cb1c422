package config

import (
	"maps"
	"path"
	"slices"
	"strings"
)

// Only the admin, and no pipeline, opens parts of the host to containers. The lists below
// name the parts that no admin can mean to give to everybody with push rights to a project.

// hostsOwn are parts of a host that give the host away with them. A directory above one of
// them is refused as well. An entry for /run covers /var/run, too.
var hostsOwn = []struct {
	path string
	// below refuses everything below path, too.
	below bool
	why   string
}{
	{"/run/docker.sock", false, "is the host's docker engine: docker in a job is the daemon of its own sidecar"},
	{"/run/containerd", true, "is the host's container engine"},
	{"/run/podman", true, "is the host's container engine"},
	{"/run/crio", true, "is the host's container engine"},
	{"/run/buildkit", true, "is the host's container engine"},
	{"/run/systemd/private", false, "is how root starts the host's services"},
	{"/run/dbus/system_bus_socket", false, "is how root starts the host's services"},
	{"/var/lib/docker", true, "is where the host's docker engine keeps its data"},
	{"/var/lib/containerd", true, "is where the host's container engine keeps its data"},
	{"/etc/gitlab-runner/config.toml", false, "holds the Runner's tokens"},
	{"/etc/gitlab-runner/dind.toml", false, "holds these settings"},
	{"/proc", true, "is the host's kernel"},
	{"/sys", true, "is the host's kernel"},
	{"/dev", true, "are the host's devices: a [[policy]] can give some, by job.devices"},
}

// engineSockets are the usual names of an engine's socket, in any directory.
var engineSockets = []string{"docker.sock", "containerd.sock", "podman.sock", "crio.sock", "buildkitd.sock"}

// taken are paths in a container with another content already.
var taken = map[string]string{
	"/":             "is all of the container",
	"/builds":       "holds the job's sources",
	"/cache":        "holds the job's cache",
	"/certs/client": "holds the certificates for the job's daemon",
}

// unclean says why a path is not well written, or returns "".
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

// Within tells whether p is dir or lies below dir. Both are clean paths.
func Within(p, dir string) bool {
	return p == dir || strings.HasPrefix(p, strings.TrimSuffix(dir, "/")+"/")
}

// refusedTarget says why the settings must put nothing at a path in a container, or returns
// "".
func refusedTarget(p string) string {
	if why := unclean(p); why != "" {
		return why
	}
	if why := taken[p]; why != "" {
		return why
	}
	for _, kernel := range []string{"/proc", "/sys"} {
		if Within(p, kernel) {
			return "is the kernel's"
		}
	}
	return ""
}

// refusedSource says why the settings must not give away a path of the host, or returns "".
func refusedSource(p string) string {
	if slices.Contains(engineSockets, path.Base(p)) {
		return "is a socket of a container engine: whoever reaches that is root on this host"
	}
	if below, ok := strings.CutPrefix(p, "/var/run"); ok && (below == "" || below[0] == '/') {
		p = "/run" + below // a link, on any host of today
	}
	for _, h := range hostsOwn {
		switch {
		case Within(h.path, p) && h.path != p:
			return "holds " + h.path + ", which " + h.why
		case p == h.path, h.below && Within(p, h.path):
			return h.why
		}
	}
	return ""
}

// validateBinds checks the host's directories for one kind of container. No two of volumes,
// tmpfs and cached paths may have the same place in the container.
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

// given is a directory of the host for some kind of container. key is its setting.
type given struct {
	key string
	Bind
}

// givenBy lists the host's directories that the settings give to containers.
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

// validateNesting refuses settings with a path of the host below a directory open to
// containers. A container can replace anything in a writable directory by a link. The
// engine or a hook would follow such a link to any place of the host.
func validateNesting(s Settings, f *faults) {
	all := givenBy(s)
	const how = "%s lies in %s, where jobs could put a link in its place: give that for reading alone (:ro)"
	inside := func(p string) (outer string, ok bool) {
		i := slices.IndexFunc(all, func(g given) bool { return !g.ReadOnly && g.Source != p && Within(p, g.Source) })
		if i < 0 {
			return "", false
		}
		return all[i].Source, true
	}
	for _, g := range all {
		if outer, ok := inside(g.Source); ok {
			f.add(g.key, how, g.Source, outer)
		}
	}
	// The names of the secrets must not lie in a directory that jobs can read.
	socket, local := strings.CutPrefix(s.Engine.Host, "unix://")
	if !local {
		socket = ""
	}
	secret := map[string]string{"engine.host": socket, "mirror.password_file": s.Mirror.PasswordFile, "bundles.dir": s.Bundles.Dir}
	for _, key := range slices.Sorted(maps.Keys(secret)) {
		for _, g := range all {
			switch p := path.Clean(secret[key]); {
			case secret[key] == "" || !Within(p, g.Source):
			case p == g.Source:
				f.add(g.key, "%s is %s, which no job may have", p, key)
			default:
				f.add(g.key, "%s holds %s, which is %s, and no job may have that", g.Source, p, key)
			}
		}
	}
	read := map[string]string{"helper.runner_binary": s.Helper.RunnerBinary, "log.file": s.Log.File}
	for host, r := range s.Registry {
		read[dotted([]string{"registry", host, "ca_file"})] = r.CAFile
	}
	for _, key := range slices.Sorted(maps.Keys(read)) {
		p := path.Clean(read[key]) // "." for an empty setting
		if outer, ok := inside(p); ok {
			f.add(key, how, p, outer)
		}
		if slices.ContainsFunc(all, func(g given) bool { return !g.ReadOnly && g.Source == p }) {
			f.add(key, "%s is given to jobs, which could change it: give it for reading alone (:ro)", p)
		}
	}
}
