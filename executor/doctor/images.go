package doctor

import (
	"crypto/x509"
	"errors"
	"strings"

	"gitlab-dind-executor/driver"
)

// ImageSeen is what is known of an image.
type ImageSeen struct {
	// There says that the engine has it, Needed that every job does.
	There, Needed bool
	// Never says that it is never pulled. Otherwise it is pulled where it is not there.
	Never bool
	// Err is the engine's; PullErr is why its registry did not give it.
	Err, PullErr error
}

// Image judges an image that the settings name.
func Image(name string, s ImageSeen) Finding {
	const check = "images"
	worst := Warning
	if s.Needed {
		worst = Error
	}
	switch {
	case s.Err != nil:
		return Of(check, Error, s.Err)
	case !s.There && s.Never:
		return Finding{check, worst, name + " is not on this host, and pull.policy is never", "gitlab-dind-executor prepull fetches it"}
	case s.There:
		return Fine(check, "%s is here", name)
	case s.PullErr != nil:
		f := Of(check, worst, s.PullErr)
		if f.Hint == "" {
			f.Hint = "docker pull " + name + " on this host tells more"
		}
		f.Text = name + " cannot be pulled: " + strings.TrimPrefix(f.Text, "pulling image "+name+": ")
		return f
	}
	return Fine(check, "%s is not here yet, its registry gives it", name)
}

// Registry judges a registry with a CA of its own by the end of a handshake.
func Registry(host, caFile string, err error) Finding {
	const check = "registries"
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	switch {
	case err == nil:
		return Fine(check, "%s has a certificate by the CA of %s", host, caFile)
	case errors.As(err, &unknown):
		return Bad(check, "put the CA that signed it into "+caFile+": openssl s_client -showcerts -connect "+host+" shows it",
			"the certificate of %s is signed by a CA that %s does not hold", host, caFile)
	case errors.As(err, &invalid), errors.As(err, &name):
		return Bad(check, "the registry needs another certificate", "the certificate of %s: %v", host, err)
	}
	return Doubt(check, "jobs may reach it by other ways than this host: by a proxy, or another name server", "%s cannot be asked for its certificate: %v", host, err)
}

// Sandbox tells of a trial that went well.
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
