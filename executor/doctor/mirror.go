package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"gitlab-dind-executor/fault"
)

// Remote judges the registry behind the mirror by the status of its answer. Jobs do without
// a dead mirror, so nothing is an error.
func Remote(remote string, status int, err error) Finding {
	const check = "mirror"
	var unknown x509.UnknownAuthorityError
	var noTLS tls.RecordHeaderError
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err // without the URL, which the finding has
	}
	switch {
	case err == nil && (status == http.StatusOK || status == http.StatusUnauthorized):
		return Fine(check, "%s answers", remote)
	case err == nil && status >= http.StatusInternalServerError:
		return Doubt(check, "ask its admin; until then jobs get only what the mirror stores", "%s, the registry behind the mirror, fails with status %d", remote, status)
	case err == nil:
		return Doubt(check, "name a registry in mirror.remote, without a path", "%s, which mirror.remote names, is no registry: it answers with status %d", remote, status)
	case errors.As(err, &unknown):
		return Doubt(check, "name its CA as ca_file under [registry.\""+hostOf(remote)+"\"] in the settings", "the certificate of %s, the registry behind the mirror, is signed by a CA that nobody knows here", remote)
	case errors.As(err, &noTLS), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return Doubt(check, "write it with http:// in mirror.remote, or give it a certificate", "%s, the registry behind the mirror, speaks no TLS", remote)
	}
	return Doubt(check, "mend mirror.remote, or the way there from this host: name servers, firewall, [proxy] in the settings",
		"%s, the registry behind the mirror, does not answer: %s", remote, fault.Line(err))
}

func hostOf(remote string) string {
	u, err := url.Parse(remote)
	if err != nil {
		return remote
	}
	return u.Host
}
