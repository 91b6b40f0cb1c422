package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/distribution/reference"
	"oras.land/oras-go/v2/errdef"
	remote "oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"gitlab-dind-executor/wary"
)

// connectBound bounds a connection, and a handshake separately.
const connectBound = time.Second

// Credential is a login at a registry; the zero value is anonymous.
type Credential struct{ Username, Password, IdentityToken string }

// Client asks registries. The zero value trusts the CAs that this host trusts.
type Client struct {
	// CertsDir holds the CAs of registries in the engine's layout, DIR/HOST:PORT/*.crt; empty
	// means none.
	CertsDir string
	// Insecure tells whether the engine may speak with a host without TLS, or without a look at
	// its certificate. Insecure is called only if the answer matters; nil means never.
	Insecure func(ctx context.Context, host string) bool
	// Agent is the User-Agent header of each request.
	Agent string
}

// Errors for answers without a digest. Any other error means an answer that cannot be understood.
var (
	// ErrDenied: this credential may not see the image.
	ErrDenied = errors.New("the registry denies it to this job")
	// ErrMissing: no such image exists, or none that this credential may see.
	ErrMissing = errors.New("the registry has no such image")
	// ErrBusy: the registry has a fault of its own, or limits requests.
	ErrBusy = errors.New("the registry does not serve now")
)

// Unreachable is the error for a registry from which no answer came.
type Unreachable struct {
	// Connected: there was a connection, but no answer on it.
	Connected bool
	// Silent: the wait was in vain, rather than refused.
	Silent bool
	why    string
	err    error
}

// Error gives the reason, in no word of the registry's own.
func (u *Unreachable) Error() string { return u.why }

// Unwrap returns the network's own error.
func (u *Unreachable) Unwrap() error { return u.err }

// Digest asks for the digest of an image, by HEAD, which registries do not count as a pull. name
// is a full reference. ctx bounds the whole call.
func (c Client) Digest(ctx context.Context, name string, with Credential) (string, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return "", fmt.Errorf("no image name: %w", err)
	}
	host := reference.Domain(named)
	digest, err := c.ask(ctx, named, with, &tls.Config{RootCAs: c.roots(host), MinVersion: tls.VersionTLS12}, false)
	if !mistrusted(err) || c.Insecure == nil || !c.Insecure(ctx, host) {
		return digest, err
	}
	if !plain(err) {
		digest, err = c.ask(ctx, named, with, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}, false)
	}
	if plain(err) {
		digest, err = c.ask(ctx, named, with, nil, true)
	}
	return digest, err
}

// ask asks once, with TLS by conf or, with plainHTTP, without.
func (c Client) ask(ctx context.Context, named reference.Named, with Credential, conf *tls.Config, plainHTTP bool) (string, error) {
	client := wary.Client(conf, 0) // ctx bounds the requests
	transport := client.Transport.(*http.Transport)
	transport.Proxy = http.ProxyFromEnvironment // the Runner's proxy, which no pipeline sets
	transport.DialContext = (&net.Dialer{Timeout: connectBound}).DialContext
	transport.TLSHandshakeTimeout = connectBound
	defer transport.CloseIdleConnections()
	repo, err := remote.NewRepository(named.Name())
	if err != nil {
		return "", fmt.Errorf("no image name: %w", err)
	}
	asked := errRecorder{next: transport}
	client.Transport = &asked
	repo.PlainHTTP = plainHTTP
	repo.Client = &auth.Client{
		Client: client,
		Header: http.Header{"User-Agent": {c.Agent}},
		Cache:  auth.NewCache(),
		Credential: auth.StaticCredential(reference.Domain(named), auth.Credential{
			Username: with.Username, Password: with.Password, RefreshToken: with.IdentityToken,
		}),
	}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { asked.connected.Store(true) }})
	desc, err := repo.Resolve(ctx, version(named))
	if err == nil {
		return desc.Digest.String(), desc.Digest.Validate()
	}
	return "", explain(ctx, err, &asked)
}

// version is the digest of a reference, or its tag.
func version(named reference.Named) string {
	switch v := reference.TagNameOnly(named).(type) {
	case reference.Digested:
		return v.Digest().String()
	case reference.Tagged:
		return v.Tag()
	}
	return "latest"
}

// errRecorder remembers faults of the network, which the layers above tell only in words.
type errRecorder struct {
	next      http.RoundTripper
	connected atomic.Bool
	failed    atomic.Bool
}

// RoundTrip hands a request on.
func (r *errRecorder) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := r.next.RoundTrip(req)
	if err != nil {
		r.failed.Store(true)
	}
	return res, err
}

// explain sorts faults. No word of the registry's own is in the answer.
func explain(ctx context.Context, err error, asked *errRecorder) error {
	var status *errcode.ErrorResponse
	switch {
	case ctx.Err() != nil:
		return &Unreachable{Connected: asked.connected.Load(), Silent: true, why: "it does not answer", err: err}
	case errors.Is(err, errdef.ErrNotFound):
		return ErrMissing
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		return ErrDenied
	case errors.As(err, &status):
		switch code := status.StatusCode; {
		case code == http.StatusUnauthorized, code == http.StatusForbidden:
			return ErrDenied
		case code == http.StatusTooManyRequests:
			return fmt.Errorf("%w: it limits requests", ErrBusy)
		case code >= 500:
			return fmt.Errorf("%w: status %d", ErrBusy, code)
		default:
			return fmt.Errorf("the registry answers with status %d", code)
		}
	case asked.failed.Load():
		var timeout net.Error
		return &Unreachable{Connected: asked.connected.Load(), Silent: errors.As(err, &timeout) && timeout.Timeout(), why: brief(err), err: err}
	}
	return errors.New("the registry's answer cannot be understood")
}

// brief says why there was no answer. Names in a certificate are not told, since the
// certificate's maker chose them.
func brief(err error) string {
	var dns *net.DNSError
	var op *net.OpError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var cert *tls.CertificateVerificationError
	var timeout net.Error
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "no such host"
	case errors.As(err, &dns):
		return "its name cannot be looked up"
	case errors.As(err, &authority):
		return "its certificate is signed by an unknown authority"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "its certificate has expired"
	case errors.As(err, &cert):
		return "its certificate is not for it"
	case plain(err):
		return "it speaks no TLS"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "it does not answer"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "it refuses connections"
	case errors.As(err, &op) && op.Op == "dial":
		return "it is out of reach"
	}
	return "the connection broke off"
}

// mistrusted tells whether TLS failed.
func mistrusted(err error) bool {
	var cert *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	return errors.As(err, &cert) || errors.As(err, &authority) || plain(err)
}

// plain tells whether the other side speaks no TLS, which net/http tells only in words.
func plain(err error) bool {
	var u *Unreachable
	if errors.As(err, &u) {
		err = u.err
	}
	return err != nil && strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}
