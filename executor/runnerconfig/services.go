package runnerconfig

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/plan"
)

// services converts the services of every job. A dind image is the job's daemon.
func services(c *Conversion, key string, d map[string]any) {
	var own []map[string]any
	for _, s := range tables(d[key]) {
		s = lowered(s)
		name := text(s["name"])
		from := key + " " + name
		if !isDind(s) {
			own = c.ownService(own, from, s)
			continue
		}
		if !c.put("sidecar", "image", name, from, "the daemon of jobs that declare none") {
			continue
		}
		ref, err := reference.ParseNormalizedNamed(name)
		official := err == nil && reference.Domain(ref)+"/"+reference.Path(ref) == "docker.io/library/docker"
		if err == nil && !official && unset(d["allowed_privileged_services"]) { // else the list already has the image
			allowed := append(slices.Clone(config.Default().Sidecar.AllowedImages), reference.TagNameOnly(ref).String())
			c.put("sidecar", "allowed_images", allowed, from, "it may be the job's daemon")
		}
		c.dockerd(list(s["command"]))
		for _, part := range sorted(s) {
			switch {
			case part == "name" || part == "command" || unset(s[part]):
			case part == "alias" && text(s[part]) == "docker":
			case part == "alias":
				c.drop(from+" alias", "the daemon is docker, and what a pipeline's own dind service is called")
			default:
				c.drop(from+" "+part, "set it in the pipeline's own service")
			}
		}
	}
	for _, s := range own {
		from := key + " " + text(s["name"])
		if environment, _ := s["environment"].([]string); strings.Contains(strings.Join(environment, ""), "$") {
			c.putNear("", "service", own, from, "one that every job has; no variable in its environment gets its value, as settings have none")
		} else {
			c.put("", "service", own, from, "one that every job has")
		}
	}
}

// ownService adds a service to the services of every job, as far as the settings can hold
// the service.
func (c *Conversion) ownService(own []map[string]any, from string, s map[string]any) []map[string]any {
	if strings.Contains(text(s["name"])+text(s["alias"]), "$") {
		c.drop(from, "it has a variable, and settings have none")
		return own
	}
	kept := map[string]any{}
	for _, part := range sorted(s) {
		switch v := s[part]; {
		case unset(v):
		case part == "name" || part == "alias":
			kept[part] = text(v)
		case part == "command" || part == "entrypoint" || part == "environment":
			kept[part] = list(v)
		default:
			c.drop(from+" "+part, "it is none of the docker executor")
		}
	}
	with := append(slices.Clone(own), kept)
	if _, err := config.Parse("", []byte(render(c.settled(place{"", "service", with})))); err != nil {
		c.drop(from, "here it is no valid setting: "+firstFault(err))
		return own
	}
	return with
}

// wiredFlags are flags of dockerd that a sidecar gets, or must not have: its listeners,
// certificates and paths.
var wiredFlags = []string{
	"--tls", "--tlsverify", "--tlscacert", "--tlscert", "--tlskey", "--host", "-H", "--storage-driver", "-s",
	"--data-root", "-g", "--graph", "--exec-root", "--pidfile", "-p", "--config-file", "--containerd",
}

// dockerd converts the command of a dind service, which are flags of its daemon.
func (c *Conversion) dockerd(command []string) {
	if len(command) > 0 && command[0] == "dockerd" {
		command = command[1:]
	}
	if len(command) > 0 && !strings.HasPrefix(command[0], "-") {
		c.drop("services command", "flags of dockerd alone have a place here: sidecar.arguments")
		return
	}
	var mirrors, arguments []string
	for i := 0; i < len(command); i++ {
		name, v, joined := strings.Cut(command[i], "=")
		if short, rest := plan.ShortFlag(command[i]); slices.Contains(wiredFlags, short) {
			name, v, joined = short, rest, true
		}
		if !joined && i+1 < len(command) && !strings.HasPrefix(command[i+1], "-") {
			i++
			v = command[i]
		}
		from := "services command " + name
		switch {
		case slices.Contains(wiredFlags, name):
			c.drop(from, "that is wired in")
		case name == "--registry-mirror":
			mirrors = append(mirrors, v)
		case name == "--insecure-registry":
			if strings.Contains(v, "/") {
				c.drop(from, "an address range; name the registry")
				continue
			}
			c.put(registryTable(v), "insecure", true, from, "")
		case name == "--mtu":
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil {
				c.drop(from, "it is no number")
				continue
			}
			c.putNear("network", "mtu", n, from, "of the whole sandbox, not of the daemon's networks alone")
		default:
			arguments = append(arguments, strings.TrimSuffix(name+"="+v, "="))
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
