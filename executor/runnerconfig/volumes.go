package runnerconfig

import (
	"path"
	"slices"
	"strings"

	"gitlab-dind-executor/config"
)

func volumes(c *Conversion, key string, d map[string]any) {
	var binds, paths []string
	for _, one := range list(d[key]) {
		switch bind, path := c.volume(key+" "+one, one); {
		case bind != "":
			binds = append(binds, bind)
		case path != "" && d["disable_cache"] == true:
			c.differs(key+" "+one, "with disable_cache it ends with the job, as all that is in the job container does")
		case path != "":
			paths = append(paths, path)
		}
	}
	// Together they are one setting. Values that the setting cannot hold get a line each.
	for _, to := range []struct {
		table, key string
		list       []string
		why        string
	}{
		{"job", "volumes", binds, "in the job container and services, not in the job's daemon; it must be there"},
		{"services", "volumes", binds, "in the job container and services, not in the job's daemon; it must be there"},
		{"cache", "paths", paths, "for each project, for protected refs, unprotected ones and merge requests apart; two jobs at once share it"},
	} {
		var valid []string
		for _, one := range to.list {
			with := append(slices.Clone(valid), one)
			if _, err := config.Parse("", []byte(render(c.settled(place{to.table, to.key, with})))); err == nil {
				valid = with
			} else if to.table != "services" { // reported already
				c.drop(key+" "+one, "here it is no valid setting: "+firstFault(err))
			}
		}
		for _, one := range valid {
			c.putNear(to.table, to.key, valid, key+" "+one, to.why)
		}
	}
}

// volume converts a volume of the docker executor: "path", "source:path" or
// "source:path:mode". The result is a directory of the host or a cached path, for the
// settings.
func (c *Conversion) volume(key, v string) (bind, cached string) {
	if strings.Contains(v, "$") {
		c.drop(key, "it has a variable, and settings have none")
		return "", ""
	}
	parts := strings.Split(v, ":")
	source, target := "", parts[0]
	if len(parts) > 1 && strings.HasPrefix(parts[1], "/") {
		source, target = parts[0], parts[1]
	}
	target = path.Clean(target)
	host, isCA := registryOf(target)
	switch {
	case target == "/certs" || strings.HasPrefix(target, "/certs/"):
		c.drop(key, "the client's certificates are wired in")
	case target == "/cache" && strings.HasPrefix(source, "/"):
		c.holdsNear("cache", "volume", true, key, "/cache is a volume for each project: what is in the host's directory is not taken over")
	case target == "/cache" && source != "":
		c.holdsNear("cache", "volume", true, key, "/cache is a volume for each project, and none for all of them")
	case target == "/cache":
		c.holds("cache", "volume", true, key, "/cache is there for each project, for protected refs, unprotected ones and merge requests apart: cache.volume")
	case target == "/builds":
		c.drop(key, "sources are in a volume of the job's own, which its services and its daemon see too")
	case target == "/var/lib/docker":
		c.holdsNear("cache", "layers", config.LayersProject, key, "layers are cached for each project, one job at a time: cache.layers")
	case isSocket(source) || isSocket(target):
		c.drop(key, "no job gets the host's engine: docker in a job is the daemon of its own sidecar")
	case isCA && strings.HasPrefix(source, "/") && path.Ext(source) != "":
		c.put(registryTable(host), "ca_file", source, key, "for the job's daemon and its client")
	case strings.HasSuffix(target, "/.docker/config.json") || strings.HasSuffix(target, "/.docker"):
		c.drop(key, "credentials for images are those of DOCKER_AUTH_CONFIG or of the Runner user's own ~/.docker/config.json; scripts log in themselves")
	case target == "/etc/docker" || target == "/etc/docker/certs.d":
		c.drop(key, "name the CA of each registry in dind.toml: [registry] ca_file")
	case target == "/etc/docker/daemon.json":
		c.drop(key, "name its keys in dind.toml: sidecar.registry_mirrors, [registry], sidecar.arguments")
	case strings.HasPrefix(source, "/") && len(parts) > 2 && slices.ContainsFunc(strings.Split(parts[2], ","), isLabel):
		c.drop(key, "no label of SELinux is set here: label the directory on the host, and give it without z or Z")
	case strings.HasPrefix(source, "/"):
		return v, ""
	case source != "":
		c.drop(key, "a volume of the engine by its name is nobody's here: give a directory of the host (job.volumes), or let a project keep the path (cache.paths)")
	default:
		return "", target
	}
	return "", ""
}

// isLabel tells an option of a volume about SELinux labels.
func isLabel(option string) bool { return option == "z" || option == "Z" }

// isSocket tells whether a path is an engine's socket.
func isSocket(p string) bool {
	base := path.Base(p)
	return base == "docker.sock" || base == "podman.sock"
}

// registryOf tells whether a path is the place of a registry's CA for docker, and for which
// registry. Other names there belong to a client's certificate and key.
func registryOf(target string) (host string, ok bool) {
	rest, ok := strings.CutPrefix(target, "/etc/docker/certs.d/")
	host, name, _ := strings.Cut(rest, "/")
	return host, ok && host != "" && path.Ext(name) == ".crt"
}
