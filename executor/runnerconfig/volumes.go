package runnerconfig

import (
	"path"
	"strings"
)

func volumes(c *Conversion, key string, d map[string]any) {
	for _, one := range list(d[key]) {
		c.volume(key+" "+one, one)
	}
}

// volume converts one of the docker executor's volumes: "path",
// "source:path" or "source:path:mode".
func (c *Conversion) volume(key, v string) {
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
		c.differs(key, "/cache is a volume for each project: what is in the host's directory is not taken over")
	case target == "/cache" && source != "":
		c.differs(key, "/cache is a volume for each project, and none for all of them")
	case target == "/cache":
		c.holds("cache", "volume", true, key, "/cache is there for each project, for protected refs, unprotected ones and merge requests apart: cache.volume")
	case target == "/builds":
		c.drop(key, "sources are in a volume of the job's own, which its services and its daemon see too")
	case target == "/var/lib/docker":
		c.differs(key, "layers are cached for each project, one job at a time: cache.layers")
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
	case strings.HasPrefix(target, "/etc/ssl/") || strings.HasPrefix(target, "/usr/local/share/ca-certificates"):
		c.drop(key, "no file of the host gets into a sandbox: a registry's CA goes to [registry] ca_file, others into the job's image")
	case strings.HasPrefix(source, "/"):
		c.drop(key, "no directory of the host gets into a sandbox")
	default:
		c.drop(key, "a job has /builds and /cache; use `cache:` or artifacts in the pipeline")
	}
}

// isSocket tells whether a path is where an engine listens.
func isSocket(p string) bool {
	base := path.Base(p)
	return base == "docker.sock" || base == "podman.sock"
}

// registryOf tells whether a path is where docker looks for a registry's CA, and
// for which.
func registryOf(target string) (host string, ok bool) {
	rest, ok := strings.CutPrefix(target, "/etc/docker/certs.d/")
	host, _, slashed := strings.Cut(rest, "/")
	return host, ok && slashed && host != ""
}
