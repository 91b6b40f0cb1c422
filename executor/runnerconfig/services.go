package runnerconfig

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"

	"gitlab-dind-executor/config"
)

// services are those that every job gets. A dind image is the job's daemon.
func (c *Conversion) services(v any) {
	for _, s := range tables(v) {
		name := text(s["name"])
		if !strings.Contains(name, "dind") && !strings.HasPrefix(name[strings.LastIndex(name, "/")+1:], "docker:") {
			c.drop("services "+name, "no service is added to all jobs: name it in their .gitlab-ci.yml")
			continue
		}
		if !c.put("sidecar", "image", name, "services "+name, "the daemon of jobs that declare none") {
			continue
		}
		if ref, err := reference.ParseNormalizedNamed(name); err == nil && reference.Domain(ref)+"/"+reference.Path(ref) != "docker.io/library/docker" {
			allowed := append(slices.Clone(config.Default().Sidecar.AllowedImages), reference.TagNameOnly(ref).String())
			c.put("sidecar", "allowed_images", allowed, "services "+name, "it may be the job's daemon")
		}
		c.dockerd(list(s["command"]))
		for key := range maps.Keys(s) {
			if !slices.Contains([]string{"name", "alias", "command"}, key) {
				c.drop("services "+name+" "+key, "set it in the pipeline's own service")
			}
		}
	}
}

// dockerd takes what the command of a dind service told its daemon.
func (c *Conversion) dockerd(command []string) {
	var mirrors, arguments []string
	for i := 0; i < len(command); i++ {
		name, value, joined := strings.Cut(command[i], "=")
		if !joined && i+1 < len(command) && !strings.HasPrefix(command[i+1], "-") {
			i++
			value = command[i]
		}
		switch name {
		case "--registry-mirror":
			mirrors = append(mirrors, value)
		case "--insecure-registry":
			if strings.Contains(value, "/") {
				c.drop("services command "+name, "an address range; name the registry")
				continue
			}
			c.put(registryTable(value), "insecure", true, "services command "+name, "")
		case "--mtu":
			if n, err := strconv.ParseInt(value, 10, 64); err == nil {
				c.put("network", "mtu", n, "services command "+name, "")
			}
		case "--tls", "--tlsverify", "--host", "-H", "--storage-driver":
			c.drop("services command "+name, "that is wired in")
		default:
			if strings.HasPrefix(name, "-") {
				arguments = append(arguments, strings.TrimSuffix(name+"="+value, "="))
			}
		}
	}
	if len(mirrors) > 0 {
		c.put("sidecar", "registry_mirrors", mirrors, "services command --registry-mirror", "[mirror] is one that this program looks after")
	}
	if len(arguments) > 0 {
		c.put("sidecar", "arguments", arguments, "services command", "")
	}
}

func registryTable(host string) string { return fmt.Sprintf("registry.%s", quote(host)) }
