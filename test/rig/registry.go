package rig

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"golang.org/x/crypto/bcrypt"
)

// Registry is a Distribution registry in a container on the engine, over TLS by a CA of its
// own. The registry listens on a single port of two of the host's addresses. Containers reach
// the gateway of the engine's default bridge. The engine and this process reach 127.0.0.1. A
// Registry may be used by several goroutines.
type Registry struct {
	// Host is "name:port" with the caller's name. Nothing resolves the name; its users map it
	// to Addr.
	Host string
	// Addr is the gateway's address, without the port.
	Addr netip.Addr
	// LocalHost is "127.0.0.1:port". An engine takes all of 127.0.0.0/8 for insecure
	// registries. So under this name the engine pulls and pushes without the CA.
	LocalHost string

	CAPEM  []byte // the CA's certificate
	CAFile string // path of the same certificate on this machine, until Close

	User, Password string // empty with RegistryOptions.Anonymous

	cli       *client.Client
	http      *http.Client
	container string // ID; empty before it runs
	volume    string // name
	dir       string // the directory of CAFile
}

// RegistryOptions changes a registry. The zero value is a registry with a user and a password.
type RegistryOptions struct {
	Anonymous bool     // no user and password
	Names     []string // further DNS names in the certificate
	// MirrorOf is a registry on the same engine, from which this registry fetches missing
	// images. Nothing can be pushed to a mirror.
	MirrorOf *Registry
}

// Bounds of StartRegistry.
var registryStartTime = Slower(30 * time.Second)

const (
	registryPoll  = 50 * time.Millisecond
	registryPorts = 5 // ports to try
)

// StartRegistry starts an empty registry for the DNS name, such as "registry.demo.test", and
// returns when it takes requests. After 30 s it returns an error with the registry's last log
// lines. The caller closes the registry.
func StartRegistry(ctx context.Context, cli *client.Client, name string, opts RegistryOptions) (*Registry, error) {
	if err := Require(ctx, cli, ImageRegistry); err != nil {
		return nil, err
	}
	if err := RemoveStale(ctx, cli); err != nil {
		return nil, err
	}
	r := &Registry{cli: cli}
	if err := r.start(ctx, name, opts); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot start a registry: %w", err), r.Close())
	}
	return r, nil
}

// start does the work. However far it comes, Close removes what it made.
func (r *Registry) start(ctx context.Context, name string, opts RegistryOptions) error {
	gateway, err := Gateway(ctx, r.cli)
	if err != nil {
		return err
	}
	r.Addr = gateway
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	cert, err := newServerCertificate(time.Now(), append([]string{name}, opts.Names...), []netip.Addr{loopback, gateway})
	if err != nil {
		return err
	}
	if err := r.writeCA(cert.ca); err != nil {
		return err
	}
	r.http = registryClient(cert.ca, name)

	var htpasswd []byte
	if !opts.Anonymous {
		r.User, r.Password = "rig", rand.Text()
		if htpasswd, err = htpasswdOf(r.User, r.Password); err != nil {
			return err
		}
	}
	port, err := r.run(ctx, cert, htpasswd, opts.MirrorOf, freePort)
	if err != nil {
		return err
	}
	r.Host = net.JoinHostPort(name, port)
	r.LocalHost = net.JoinHostPort(loopback.String(), port)
	return r.waitReady(ctx)
}

// writeCA puts the CA's certificate into a file, for clients with a setting for such a file.
func (r *Registry) writeCA(pem []byte) (err error) {
	if r.dir, err = os.MkdirTemp("", NamePrefix+"registry-"); err != nil {
		return fmt.Errorf("cannot make a directory for the CA: %w", err)
	}
	r.CAPEM, r.CAFile = pem, filepath.Join(r.dir, "ca.pem")
	if err := os.WriteFile(r.CAFile, pem, 0o644); err != nil {
		return fmt.Errorf("cannot write the CA: %w", err)
	}
	return nil
}

// htpasswdOf returns an htpasswd file with one user. The hash has bcrypt's lowest cost, because
// the registry computes the hash for each request, and the password is random and lives for
// minutes.
func htpasswdOf(user, password string) ([]byte, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		return nil, fmt.Errorf("cannot hash the registry's password: %w", err)
	}
	return fmt.Appendf(nil, "%s:%s\n", user, hash), nil
}

// freePort returns a TCP port without a listener on 127.0.0.1 at this moment. The port may be
// taken on the gateway's address, or a moment later.
func freePort(ctx context.Context) (string, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("cannot find a free port: %w", err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), nil
}

// waitReady returns when the registry answers over TLS, or an error when its
// container has ended or the time is over.
func (r *Registry) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, registryStartTime)
	defer cancel()
	tick := time.NewTicker(registryPoll)
	defer tick.Stop()
	for {
		err := r.ping(ctx)
		if err == nil {
			return nil
		}
		c, inspectErr := r.cli.ContainerInspect(ctx, r.container)
		if inspectErr == nil && !c.State.Running {
			return fmt.Errorf("its container ended with exit code %d; its last lines:\n%s", c.State.ExitCode, r.lastLines(ctx))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it does not answer (%w); its last lines:\n%s", err, r.lastLines(ctx))
		case <-tick.C:
		}
	}
}

// Stop takes the registry off the network for good. Close is still the caller's.
func (r *Registry) Stop(ctx context.Context) error {
	if err := r.cli.ContainerKill(ctx, r.container, "KILL"); err != nil {
		return fmt.Errorf("cannot stop the registry: %w", err)
	}
	return nil
}

// Resume starts the registry again after its end, such as by a restart of the engine, and
// returns when it takes requests.
func (r *Registry) Resume(ctx context.Context) error {
	if err := r.cli.ContainerStart(ctx, r.container, container.StartOptions{}); err != nil {
		return fmt.Errorf("cannot start the registry again: %w", err)
	}
	return r.waitReady(ctx)
}

// Close removes the registry with all images in it. It takes at most 30 s, may be called more
// than once, and returns all failures, joined.
func (r *Registry) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), removalTime)
	defer cancel()
	if r.http != nil {
		r.http.CloseIdleConnections()
	}
	var errs []error
	if r.container != "" {
		errs = append(errs, removeContainer(ctx, r.cli, r.container))
	}
	if r.volume != "" {
		errs = append(errs, removeVolume(ctx, r.cli, r.volume))
	}
	if r.dir != "" {
		errs = append(errs, os.RemoveAll(r.dir))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cannot remove the registry: %w", err)
	}
	return nil
}

// registryClient returns a client that trusts only the CA. The client expects a certificate for
// the name, whatever the address.
func registryClient(ca []byte, name string) *http.Client {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return &http.Client{
		Timeout:   Slower(10 * time.Second),
		Transport: &http.Transport{TLSClientConfig: tlsFor(pool, name), MaxIdleConns: 4},
	}
}
