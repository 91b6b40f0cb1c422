package registry

import (
	"crypto/x509"
	"path/filepath"

	"gitlab-dind-executor/hostfile"
)

const (
	// maxCA bounds a file of CAs, in bytes; maxCAs how many of them are read.
	maxCA  = 1 << 20
	maxCAs = 32
)

// roots are the CAs that a host's certificate may come from: this host's own and,
// where there are some, those for this registry.
func (c Client) roots(host string) *x509.CertPool {
	if c.CertsDir == "" {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(c.CertsDir, host, "*.crt"))
	if err != nil || len(files) == 0 {
		return nil // a host that is an address in brackets is no pattern
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	for _, name := range files[:min(len(files), maxCAs)] {
		// The engine may read what the Runner's user may not: then that asks.
		if pem, err := hostfile.ReadNamed(name, maxCA); err == nil {
			pool.AppendCertsFromPEM(pem)
		}
	}
	return pool
}
