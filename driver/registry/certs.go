package registry

import (
	"crypto/x509"
	"path/filepath"

	"gitlab-dind-executor/hostfile"
)

const (
	// maxCA bounds a file of CAs, in bytes; maxCAs bounds the number of files read.
	maxCA  = 1 << 20
	maxCAs = 32
)

// roots are the trusted CAs for a host's certificate: this host's own and, if there are any,
// those for this registry.
func (c Client) roots(host string) *x509.CertPool {
	if c.CertsDir == "" {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(c.CertsDir, host, "*.crt"))
	if err != nil || len(files) == 0 {
		return nil // without CAs, or for an address in brackets, which is no pattern
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	for _, name := range files[:min(len(files), maxCAs)] {
		// The engine may read files that the Runner's user may not; then the engine asks.
		if pem, err := hostfile.ReadNamed(name, maxCA); err == nil {
			pool.AppendCertsFromPEM(pem)
		}
	}
	return pool
}
