package doctor

import (
	"strings"

	"gitlab-dind-executor/driver"
)

// Sandbox reports a successful trial.
func Sandbox(t driver.Trial, privilege string) Finding {
	return Fine("sandbox", "%s (%s) up in %.1f s, a build in %.1f s", strings.TrimSpace("docker "+t.Docker), privilege, t.Boot.Seconds(), t.Build.Seconds())
}

// Firewall judges whether a sandbox reaches this host.
func Firewall(r, r6 driver.Reach, ipv6 bool) Finding {
	const check = "firewall"
	switch {
	case r == driver.ReachOpen:
		return Doubt(check, "docs/security.md has rules for the engine's firewall that keep them away", "jobs reach this host's own services")
	case r6 == driver.ReachOpen:
		return Doubt(check, "docs/security.md has rules for the engine's firewall that keep them away, for IPv6 as well", "jobs reach this host's own services by IPv6")
	case r == driver.ReachClosed && ipv6 && r6 == driver.ReachUnknown:
		return Doubt(check, "run this on the host of the engine, not in a container, with a helper image that has bash or nc", "whether jobs reach this host's own services by IPv6 cannot be told from here")
	case r == driver.ReachClosed:
		return Fine(check, "jobs do not reach this host's own services")
	}
	return Doubt(check, "run this on the host of the engine, not in a container, with a helper image that has bash or nc", "whether jobs reach this host's own services cannot be told from here")
}
