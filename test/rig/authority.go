package rig

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/netip"
	"time"
)

// certificateLife is how long the rig's certificates are valid, longer than any run. They begin
// an hour early, for clocks that are behind.
const certificateLife = 48 * time.Hour

// serverCertificate is a server's certificate by a CA of its own. The CA's key is forgotten.
// All fields are PEM.
type serverCertificate struct {
	ca   []byte
	cert []byte
	key  []byte // PKCS #8
}

// newServerCertificate makes a CA and a server certificate for the DNS names
// and addresses, with new P-256 keys.
func newServerCertificate(now time.Time, names []string, addrs []netip.Addr) (serverCertificate, error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return serverCertificate{}, fmt.Errorf("cannot make the CA's key: %w", err)
	}
	ca := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "dind-rig CA"},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(certificateLife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return serverCertificate{}, fmt.Errorf("cannot make the CA's certificate: %w", err)
	}

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return serverCertificate{}, fmt.Errorf("cannot make the server's key: %w", err)
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: "dind-rig server"},
		NotBefore:    ca.NotBefore,
		NotAfter:     ca.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     names,
	}
	for _, addr := range addrs {
		server.IPAddresses = append(server.IPAddresses, addr.AsSlice())
	}
	certDER, err := x509.CreateCertificate(rand.Reader, server, ca, key.Public(), caKey)
	if err != nil {
		return serverCertificate{}, fmt.Errorf("cannot make the server's certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return serverCertificate{}, fmt.Errorf("cannot write the server's key: %w", err)
	}
	block := func(kind string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	return serverCertificate{
		ca:   block("CERTIFICATE", caDER),
		cert: block("CERTIFICATE", certDER),
		key:  block("PRIVATE KEY", keyDER),
	}, nil
}
