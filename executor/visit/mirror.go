package visit

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/mirror"
	"gitlab-dind-executor/executor/access"
	"gitlab-dind-executor/executor/doctor"
	"gitlab-dind-executor/wary"
)

// checkMirror examines the existing mirror, and makes none. A dead mirror is no error,
// since jobs go on without.
func (v *Host) checkMirror(ctx context.Context) []doctor.Finding {
	if !v.settings.Mirror.Enabled {
		return []doctor.Finding{doctor.Fine("mirror", "not enabled")}
	}
	m, err := access.Mirror(v.settings)
	if err != nil {
		return []doctor.Finding{doctor.Of("mirror", doctor.Warning, err)}
	}
	var found []doctor.Finding
	if v.d.Local() { // the way from another host is not known here
		gateway, _ := v.d.HostAddress(ctx) // MirrorHealth reports the error
		status, err := askRemote(ctx, v.settings, m.CA, gateway)
		if f := doctor.Remote(m.Remote, status, err); f.Level != doctor.OK {
			found = append(found, f)
		}
	}
	at, err := v.d.MirrorHealth(ctx, m)
	switch {
	case errors.Is(err, mirror.ErrNone) && len(found) > 0:
		return found // the next mirror would be dead
	case errors.Is(err, mirror.ErrNone):
		return []doctor.Finding{doctor.Fine("mirror", "of %s is not there yet: the next job makes it", m.Remote)}
	case err != nil:
		f := doctor.Of("mirror", doctor.Warning, err)
		f.Text = "jobs do without " + m.Name + " of " + m.Remote + ": " + f.Text
		return append(found, f)
	}
	return append(found, doctor.Fine("mirror", "%s of %s answers at %s", m.Name, m.Remote, at.URL))
}

// askRemote asks the registry behind the mirror as the mirror does, and returns its
// status. gateway is the address that host-gateway stands for.
func askRemote(ctx context.Context, s config.Settings, ca []byte, gateway netip.Addr) (status int, err error) {
	remote, err := url.Parse(s.Mirror.Remote)
	if err != nil {
		return 0, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	pool.AppendCertsFromPEM(ca)
	c := wary.Client(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, registryDial)
	defer c.CloseIdleConnections()
	if t, ok := c.Transport.(*http.Transport); ok {
		dial := t.DialContext
		t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if name, port, err := net.SplitHostPort(address); err == nil {
				address = net.JoinHostPort(addressOf(name, s.Network.ExtraHosts, gateway), port)
			}
			return dial(ctx, network, address)
		}
		if proxy := proxyFor(s.Proxy, remote); proxy != nil {
			t.Proxy = http.ProxyURL(proxy)
		}
	}
	status, _, err = wary.Ask(ctx, c, strings.TrimSuffix(remote.String(), "/")+"/v2/")
	return status, err
}

// proxyFor returns the proxy of the settings for a host, or nil.
func proxyFor(s config.Proxy, to *url.URL) *url.URL {
	text, port := s.HTTPS, "443"
	if to.Scheme == "http" {
		text, port = s.HTTP, "80"
	}
	port = cmp.Or(to.Port(), port)
	for _, entry := range strings.Split(s.NoProxy, ",") {
		if isDirect(strings.ToLower(entry), strings.ToLower(to.Hostname()), port) {
			return nil
		}
	}
	if proxy, err := url.Parse(text); err == nil && text != "" {
		return proxy
	}
	return nil
}

// isDirect tells whether an entry of no_proxy is about a host. The mirror is a program in Go,
// whose rules these are: golang.org/x/net/http/httpproxy.
func isDirect(entry, host, port string) bool {
	if entry == "" || entry == "*" {
		return entry == "*"
	}
	if of, err := netip.ParsePrefix(entry); err == nil {
		at, err := netip.ParseAddr(host)
		return err == nil && of.Contains(at.Unmap())
	}
	if name, only, err := net.SplitHostPort(entry); err == nil {
		if only != port {
			return false
		}
		entry = name
	}
	domain := strings.TrimPrefix(entry, "*")
	if strings.HasPrefix(domain, ".") { // the hosts in it, and not the domain itself
		return strings.HasSuffix(host, domain)
	}
	return host == entry || strings.HasSuffix(host, "."+entry)
}
