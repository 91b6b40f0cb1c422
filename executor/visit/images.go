package visit

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/executor/access"
	"gitlab-dind-executor/executor/doctor"
)

// checkImages looks for the images of the settings: on the engine or else at their
// registries, with the calling user's credentials.
func (v *Host) checkImages(ctx context.Context) []doctor.Finding {
	names := plan.Prepull(v.settings, v.Version, v.facts.Arch)
	var found []doctor.Finding
	v.creds = access.OfUser(ctx, v.Env, plan.Hosts(names), func(text string) {
		found = append(found, doctor.Doubt("credentials", "mend the docker configuration of the user that the Runner runs as", "%s", text))
	})
	// A missing image that only some jobs need is no error.
	needed := plan.Prepull(config.Settings{Sidecar: v.settings.Sidecar, Job: v.settings.Job, Helper: v.settings.Helper}, v.Version, v.facts.Arch)
	never := !slices.ContainsFunc(plan.OwnPolicies(v.settings.Pull), func(p string) bool { return p != config.PullNever })
	for _, name := range names {
		there, err := v.hasImage(ctx, name)
		var pullErr error
		if err == nil && !there {
			pullErr = v.atRegistry(ctx, name)
		}
		found = append(found, doctor.Image(name, doctor.ImageSeen{
			There: there, Needed: slices.Contains(needed, name), Err: err, PullErr: pullErr, Never: never,
		}))
	}
	return found
}

func (v *Host) hasImage(ctx context.Context, name string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, v.ImageBound)
	defer cancel()
	return v.d.HasImage(ctx, name)
}

func (v *Host) atRegistry(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, v.ImageBound)
	defer cancel()
	ref, err := plan.PrepullRef(name, v.creds)
	if err != nil {
		return err
	}
	return access.ForAdmin(v.d.AskRegistry(ctx, ref))
}

// registryDial bounds a look at a registry's certificate.
const registryDial = 5 * time.Second

// checkRegistries checks that the CAs of the settings have signed the registries'
// certificates.
func (v *Host) checkRegistries(ctx context.Context) []doctor.Finding {
	var found []doctor.Finding
	for _, host := range slices.Sorted(maps.Keys(v.settings.Registry)) {
		r := v.settings.Registry[host]
		switch {
		case r.CAFile == "":
		case r.Insecure:
			found = append(found, doctor.Fine("registries", "%s is used without a look at its certificate", host))
		default:
			pem, err := access.CA(host, r.CAFile)
			if err != nil {
				found = append(found, doctor.Of("registries", doctor.Error, err))
				continue
			}
			found = append(found, doctor.Registry(host, r.CAFile, shake(ctx, host, v.settings.Network.ExtraHosts, pem)))
		}
	}
	if len(found) == 0 {
		found = append(found, doctor.Fine("registries", "none with a CA of its own"))
	}
	return found
}

// shake does a TLS handshake with a registry as a docker daemon would, with this CA besides
// the well-known CAs.
func shake(ctx context.Context, host string, extra []string, pem []byte) error {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = host, "443"
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	pool.AppendCertsFromPEM(pem)
	ctx, cancel := context.WithTimeout(ctx, registryDial)
	defer cancel()
	dialer := &tls.Dialer{Config: &tls.Config{RootCAs: pool, ServerName: name, MinVersion: tls.VersionTLS12}}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(addressOf(name, extra, netip.Addr{}), port))
	if err != nil {
		return err
	}
	return conn.Close()
}

// addressOf is where a host is: network.extra_hosts go before name servers. gateway is the
// address that host-gateway stands for, where it is known.
func addressOf(name string, extra []string, gateway netip.Addr) string {
	for _, e := range extra {
		n, a, ok := strings.Cut(e, ":")
		switch {
		case !ok || n != name:
		case a == config.HostGateway && gateway.IsValid():
			return gateway.String()
		default:
			return a
		}
	}
	return name
}
