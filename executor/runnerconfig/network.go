package runnerconfig

import (
	"net/netip"
	"slices"
	"strings"

	"gitlab-dind-executor/config"
)

// perBuild converts settings of the networks that the Runner makes only with a flag.
func perBuild(setting string) rule {
	return func(c *Conversion, key string, d map[string]any) {
		if c.networkPerBuild {
			as("network", setting, "")(c, key, d)
		} else {
			near("network", setting, "of each job; there of those with FF_NETWORK_PER_BUILD")(c, key, d)
		}
	}
}

// engineHost converts the engine's address, and refuses podman's.
func engineHost(c *Conversion, key string, d map[string]any) {
	if strings.Contains(text(d[key]), "podman") {
		c.drop(key, "this program needs Docker's engine, and podman's service is another: name an engine in engine.host")
		return
	}
	as("engine", "host", "")(c, key, d)
}

func extraHosts(c *Conversion, key string, d map[string]any) {
	var keep []string
	for _, e := range list(d[key]) {
		name, address, ok := strings.Cut(e, ":")
		address = strings.Trim(address, "[]")
		if _, err := netip.ParseAddr(address); !ok || err != nil && address != config.HostGateway {
			c.drop(key+" "+e, "it has no address")
			continue
		}
		keep = append(keep, name+":"+address)
	}
	if len(keep) > 0 {
		c.put("network", "extra_hosts", keep, key, "")
	}
}

func dns(c *Conversion, key string, d map[string]any) {
	keep := slices.DeleteFunc(list(d[key]), func(s string) bool {
		_, err := netip.ParseAddr(s)
		if err != nil {
			c.drop(key+" "+s, "it is no address")
		}
		return err != nil
	})
	if len(keep) > 0 {
		c.put("network", "dns", keep, key, "for containers inside the job's daemon as well")
	}
}
