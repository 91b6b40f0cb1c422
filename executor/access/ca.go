package access

import (
	"crypto/x509"
	"errors"
	"fmt"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/hostfile"
)

// maxCA bounds a file with CAs, in bytes.
const maxCA = 1 << 20

// CA reads a registry's CA from a file, and returns its PEM text. A file without a
// certificate is a fault.
func CA(host, file string) ([]byte, error) {
	pem, err := hostfile.ReadNamed(file, maxCA)
	if err == nil && !x509.NewCertPool().AppendCertsFromPEM(pem) {
		err = errors.New(file + " holds no certificate in PEM")
	}
	if err != nil {
		return nil, fault.System(fmt.Errorf("the CA of registry %s: %w", host, err),
			"name a PEM file that the Runner's user can read in the settings")
	}
	return pem, nil
}

// RegistryCAs reads the CA files of the settings. The result maps a registry's host to PEM
// text.
func RegistryCAs(s config.Settings) (map[string][]byte, error) {
	cas := map[string][]byte{}
	for host, r := range s.Registry {
		if r.CAFile == "" {
			continue
		}
		pem, err := CA(host, r.CAFile)
		if err != nil {
			return nil, err
		}
		cas[host] = pem
	}
	return cas, nil
}
