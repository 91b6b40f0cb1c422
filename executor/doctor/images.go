package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// ImageSeen holds the known facts about an image.
type ImageSeen struct {
	// There tells whether the engine has the image. Needed tells whether every job needs
	// the image.
	There, Needed bool
	// Never tells whether the image is never pulled. Other images are pulled when missing.
	Never bool
	// Err is an error of the engine. PullErr is the reason why the registry did not give
	// the image.
	Err, PullErr error
}

// Image judges an image of the settings.
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

// Registry judges a registry with a CA of its own by the result of a handshake.
func Registry(host, caFile string, err error) Finding {
	const check = "registries"
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	var noTLS tls.RecordHeaderError
	switch {
	case err == nil:
		return Fine(check, "%s has a certificate by the CA of %s", host, caFile)
	case errors.As(err, &unknown):
		return Bad(check, "put the CA that signed it into "+caFile+": openssl s_client -showcerts -connect "+host+" shows it",
			"the certificate of %s is signed by a CA that %s does not hold", host, caFile)
	case errors.As(err, &noTLS):
		return Bad(check, fmt.Sprintf("give it a certificate, or write insecure = true in place of ca_file under [registry.%q] in the settings", host),
			"%s speaks no TLS, so it has no certificate by the CA of %s", host, caFile)
	case errors.As(err, &invalid), errors.As(err, &name):
		return Bad(check, "the registry needs another certificate", "the certificate of %s: %v", host, err)
	}
	return Doubt(check, "jobs may reach it by other ways than this host: by a proxy, or another name server", "%s cannot be asked for its certificate: %v", host, err)
}
