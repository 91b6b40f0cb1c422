package boot

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"path"
	"slices"
	"time"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

// Certificates are the certificates of a single sandbox, in PEM. The key of their CA is forgotten
// at once.
type Certificates struct {
	ca                    []byte
	serverCert, serverKey []byte
	clientCert, clientKey []byte
}

// clockSlack is the largest expected difference between the clocks of engine and host.
const clockSlack = time.Hour

// rsaBits is a size accepted by clients that know RSA alone, and the quickest to make.
const rsaBits = 2048

// NewClientKey makes a client's key, of RSA or ECDSA P-256. RSA takes a hundred milliseconds or
// more, so the key is made beside the steps that precede the certificates. Each sandbox has its
// own key.
func NewClientKey(ofRSA bool) (crypto.Signer, error) {
	if ofRSA {
		return rsa.GenerateKey(rand.Reader, rsaBits)
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// encodeKey writes a key for the oldest clients. Clients that know RSA alone do not read PKCS #8.
func encodeKey(key crypto.Signer) ([]byte, error) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return encodePEM("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k)), nil
	case *ecdsa.PrivateKey:
		der, err := x509.MarshalECPrivateKey(k)
		return encodePEM("EC PRIVATE KEY", der), err
	}
	return nil, fmt.Errorf("a key of type %T", key)
}

// NewCertificates makes a CA, a server's and a client's certificate. All keys are ECDSA P-256,
// except perhaps the client's. The certificates are valid from an hour before now for the plan's
// lifetime. The server's certificate holds the plan's names, the names in more, and addresses.
func NewCertificates(t plan.TLS, clientKey crypto.Signer, more []string, addresses []netip.Addr, now time.Time) (*Certificates, error) {
	validity := func(name string, serial int64) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial),
			Subject:      pkix.Name{CommonName: name},
			NotBefore:    now.Add(-clockSlack),
			NotAfter:     now.Add(t.Lifetime),
		}
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	ca := validity("gitlab-dind-executor sandbox CA", 1)
	ca.IsCA, ca.BasicConstraintsValid = true, true
	ca.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return nil, err
	}
	issue := func(c *x509.Certificate, k crypto.Signer, usage x509.ExtKeyUsage) (cert, key []byte, err error) {
		c.KeyUsage, c.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{usage}
		der, err := x509.CreateCertificate(rand.Reader, c, ca, k.Public(), caKey)
		if err != nil {
			return nil, nil, err
		}
		key, err = encodeKey(k)
		return encodePEM("CERTIFICATE", der), key, err
	}

	out := &Certificates{ca: encodePEM("CERTIFICATE", caDER)}
	server := validity("gitlab-dind-executor sidecar", 2)
	server.DNSNames = slices.Concat(t.Names, more)
	for _, a := range addresses {
		server.IPAddresses = append(server.IPAddresses, a.AsSlice())
	}
	serverKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if out.serverCert, out.serverKey, err = issue(server, serverKey, x509.ExtKeyUsageServerAuth); err != nil {
		return nil, err
	}
	client := validity("gitlab-dind-executor job", 3)
	if out.clientCert, out.clientKey, err = issue(client, clientKey, x509.ExtKeyUsageClientAuth); err != nil {
		return nil, err
	}
	return out, nil
}

func encodePEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// ServerFiles go into the sidecar. ca/cert.pem without ca/key.pem keeps dind images from before
// 2023 from making certificates of their own. The client's files are for a later claim, and for
// commands inside the sidecar.
func (c *Certificates) ServerFiles(dir string) []engine.File {
	return append([]engine.File{
		{Path: path.Join(dir, "ca/cert.pem"), Mode: 0o644, Content: c.ca},
		{Path: path.Join(dir, "server/ca.pem"), Mode: 0o644, Content: c.ca},
		{Path: path.Join(dir, "server/cert.pem"), Mode: 0o644, Content: c.serverCert},
		{Path: path.Join(dir, "server/key.pem"), Mode: 0o600, Content: c.serverKey},
	}, c.ClientFiles(path.Join(dir, "client"))...)
}

// ClientFiles go into the job container, readable by any user of its image.
func (c *Certificates) ClientFiles(dir string) []engine.File {
	return []engine.File{
		{Path: path.Join(dir, "ca.pem"), Mode: 0o644, Content: c.ca},
		{Path: path.Join(dir, "cert.pem"), Mode: 0o644, Content: c.clientCert},
		{Path: path.Join(dir, "key.pem"), Mode: 0o644, Content: c.clientKey},
	}
}

// ClientFiles reads the files beside the client's certificates in a running sidecar, by name.
// With tls the call waits for the certificates, since the sidecar may be getting its files at
// this moment.
func (b *Boots) ClientFiles(ctx context.Context, sandbox, sidecar string, tls bool) (map[string][]byte, *Certificates, error) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		files, err := b.readClientFiles(ctx, sandbox, sidecar)
		switch {
		case engine.Gone(err) && !tls:
			return nil, nil, nil
		case err != nil && !engine.Gone(err):
			return nil, nil, err
		case !tls:
			return files, nil, nil
		}
		certs := &Certificates{ca: files["ca.pem"], clientCert: files["cert.pem"], clientKey: files["key.pem"]}
		if _, err = certs.clientTLS(); err == nil {
			return files, certs, nil
		}
		if c, inspectErr := b.eng.Container(ctx, sidecar); inspectErr != nil || !c.Running {
			return nil, nil, fault.System(fmt.Errorf("the docker daemon of this job has ended, or lost its certificates: %w", errors.Join(err, inspectErr)), "run the job again")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("reading the certificates of a docker daemon: %w", err)
		}
	}
}

// readClientFiles reads the directory with the client's certificates.
func (b *Boots) readClientFiles(ctx context.Context, sandbox, sidecar string) (map[string][]byte, error) {
	files, err := b.eng.ReadHere(ctx, label.ObjectName(sandbox, plan.RoleCerts), "ca.pem", "cert.pem", "key.pem", path.Base(plan.UsedFile))
	if err == nil && len(files) > 0 {
		return files, nil
	}
	archived, err := b.eng.ReadFiles(ctx, sidecar, plan.ClientCerts)
	if err != nil {
		return nil, err
	}
	files = map[string][]byte{}
	for name, content := range archived {
		files[path.Base(name)] = content
	}
	return files, nil
}

// clientTLS is for connections to the inner daemon under the name docker.
func (c *Certificates) clientTLS() (*tls.Config, error) {
	pair, err := tls.X509KeyPair(c.clientCert, c.clientKey)
	if err != nil {
		return nil, fmt.Errorf("client certificate: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(c.ca)
	return &tls.Config{
		RootCAs: pool, Certificates: []tls.Certificate{pair},
		ServerName: "docker", MinVersion: tls.VersionTLS12,
	}, nil
}
