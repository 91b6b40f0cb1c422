package visit

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
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
		status, err := askRemote(ctx, v.settings, m.CA)
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
// status.
func askRemote(ctx context.Context, s config.Settings, ca []byte) (status int, err error) {
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
				address = net.JoinHostPort(addressOf(name, s.Network.ExtraHosts), port)
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

// proxyFor returns the proxy of the settings for a host, or nil. In no_proxy, names and
// domains count.
func proxyFor(s config.Proxy, to *url.URL) *url.URL {
	text := s.HTTPS
	if to.Scheme == "http" {
		text = s.HTTP
	}
	for _, direct := range strings.Split(s.NoProxy, ",") {
		direct = strings.TrimPrefix(strings.TrimPrefix(direct, "*"), ".")
		if direct != "" && (to.Hostname() == direct || strings.HasSuffix(to.Hostname(), "."+direct)) {
			return nil
		}
	}
	if proxy, err := url.Parse(text); err == nil && text != "" {
		return proxy
	}
	return nil
}
