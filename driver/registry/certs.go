package registry

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	// maxCA bounds a file of CAs, in bytes; maxCAs how many of them are read.
	maxCA  = 1 << 20
	maxCAs = 32
)

// roots are the CAs that a host's certificate may come from: this host's own and,
// where there are some, those for this registry.
func (c Client) roots(host string) (*x509.CertPool, error) {
	if c.CertsDir == "" {
		return nil, nil
	}
	files, err := filepath.Glob(filepath.Join(c.CertsDir, host, "*.crt"))
	if err != nil || len(files) == 0 {
		return nil, nil // a host that is an address in brackets is no pattern
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	for _, name := range files[:min(len(files), maxCAs)] {
		pem, err := readCA(name)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			continue // the engine may read what the Runner's user may not
		}
		if err != nil {
			return nil, fmt.Errorf("the CA of registry %s: %w", host, err)
		}
		pool.AppendCertsFromPEM(pem)
	}
	return pool, nil
}

func readCA(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file", name)
	}
	return io.ReadAll(io.LimitReader(f, maxCA))
}
