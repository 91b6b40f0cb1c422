package boot

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/driver/plan"
)

func clientKey(t testing.TB, ofRSA bool) crypto.Signer {
	t.Helper()
	k, err := NewClientKey(ofRSA)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func testCertificates(t *testing.T, names ...string) *Certificates {
	t.Helper()
	c, err := NewCertificates(plan.TLS{Names: names, Lifetime: 2 * time.Hour}, clientKey(t, false), nil, plan.Sidecar{}.Addresses(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func certificate(t *testing.T, text []byte) *x509.Certificate {
	t.Helper()
	block, rest := pem.Decode(text)
	if block == nil || len(rest) != 0 {
		t.Fatalf("not one PEM block: %q", text)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// handshake connects a client with certificates of one sandbox to a server with certificates of
// another. The server checks like dockerd --tlsverify.
func handshake(t *testing.T, server, client *Certificates, change func(client *tls.Config)) (serverErr, clientErr error) {
	t.Helper()
	pair, err := tls.X509KeyPair(server.serverCert, server.serverKey)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(server.ca)
	clientConf, err := client.clientTLS()
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(clientConf)
	}
	a, b := net.Pipe()
	deadline := time.Now().Add(10 * time.Second)
	_, _ = a.SetDeadline(deadline), b.SetDeadline(deadline)
	done := make(chan error, 1)
	go func() {
		s := tls.Server(a, &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool})
		err := s.Handshake()
		if err == nil {
			_, err = s.Write([]byte("x"))
		}
		a.Close()
		done <- err
	}()
	c := tls.Client(b, clientConf)
	clientErr = c.Handshake()
	if clientErr == nil { // a refusal of the client's certificate comes with the first read
		_, clientErr = c.Read(make([]byte, 1))
	}
	b.Close()
	return <-done, clientErr
}

func TestClientAndServerOfASandboxTrustEachOther(t *testing.T) {
	ours, theirs := testCertificates(t, "localhost", "docker"), testCertificates(t, "localhost", "docker")
	if s, c := handshake(t, ours, ours, nil); s != nil || c != nil {
		t.Errorf("their own: server %v, client %v", s, c)
	}
	if _, c := handshake(t, ours, theirs, nil); c == nil {
		t.Error("a client trusts the server of another sandbox")
	}
	_, err := handshake(t, ours, theirs, func(conf *tls.Config) { conf.InsecureSkipVerify = true })
	if err == nil {
		t.Error("a server lets the client of another sandbox in")
	}
	_, err = handshake(t, ours, ours, func(conf *tls.Config) { conf.Certificates = nil })
	if err == nil {
		t.Error("a server lets a client without a certificate in")
	}
	pair, perr := tls.X509KeyPair(ours.serverCert, ours.serverKey)
	if perr != nil {
		t.Fatal(perr)
	}
	_, err = handshake(t, ours, ours, func(conf *tls.Config) { conf.Certificates = []tls.Certificate{pair} })
	if err == nil {
		t.Error("the server's certificate opens the door as a client's")
	}
}

func TestTheServersCertificateIsValidForAllItsNames(t *testing.T) {
	// Names that plan allows for a service.
	names := []string{
		"localhost", "docker", "registry.example.com__group__docker", "UPPER", "a..b", "a-.b", "_x",
		strings.Repeat("a", 64), strings.Repeat("b.", 125) + "b",
	}
	c := testCertificates(t, names...)
	server := certificate(t, c.serverCert)
	for _, name := range append(slices.Clone(names), "127.0.0.1", "::1") {
		if err := server.VerifyHostname(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	if server.VerifyHostname("elsewhere") == nil {
		t.Error("it is valid for another name")
	}
	if s, err := handshake(t, c, c, nil); s != nil || err != nil {
		t.Errorf("odd names break the connection: server %v, client %v", s, err)
	}
}

func TestTheServersCertificateIsValidForAddresses(t *testing.T) {
	addresses := []netip.Addr{netip.MustParseAddr("10.231.0.61"), netip.MustParseAddr("fd00::fffd"), netip.MustParseAddr("10.232.0.1")}
	c, err := NewCertificates(plan.TLS{Names: []string{"docker"}, Lifetime: time.Hour}, clientKey(t, false), []string{"dind-0123456789ab-sidecar"}, addresses, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	server := certificate(t, c.serverCert)
	for _, name := range []string{"docker", "dind-0123456789ab-sidecar", "10.231.0.61", "fd00::fffd", "10.232.0.1"} {
		if err := server.VerifyHostname(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	if server.VerifyHostname("10.231.0.60") == nil {
		t.Error("it is valid for another address")
	}
}

func TestCertificatesAreForTheirUseAlone(t *testing.T) {
	now := time.Now()
	c, err := NewCertificates(plan.TLS{Names: []string{"docker"}, Lifetime: 2 * time.Hour}, clientKey(t, false), nil, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	ca := certificate(t, c.ca)
	if !ca.IsCA || ca.KeyUsage&x509.KeyUsageCertSign == 0 {
		t.Error("the CA is none")
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	for name, leaf := range map[string]struct {
		cert  []byte
		key   []byte
		usage x509.ExtKeyUsage
		other x509.ExtKeyUsage
	}{
		"server": {c.serverCert, c.serverKey, x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		"client": {c.clientCert, c.clientKey, x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	} {
		cert := certificate(t, leaf.cert)
		if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{leaf.usage}}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{leaf.other}}); err == nil {
			t.Errorf("%s serves the other use as well", name)
		}
		if cert.IsCA || cert.KeyUsage&x509.KeyUsageCertSign != 0 {
			t.Errorf("%s could sign others", name)
		}
		if _, err := tls.X509KeyPair(leaf.cert, leaf.key); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, ok := cert.PublicKey.(*ecdsa.PublicKey); !ok {
			t.Errorf("%s: %T takes long to make", name, cert.PublicKey)
		}
		if from, to := now.Sub(cert.NotBefore), cert.NotAfter.Sub(now); from < 59*time.Minute || to < 119*time.Minute || to > 2*time.Hour {
			t.Errorf("%s is valid from %s before now for %s", name, from, to)
		}
	}
	if ca.NotAfter.Before(certificate(t, c.serverCert).NotAfter) {
		t.Error("the CA ends before what it signed")
	}
}

func TestFilesOfTheCertificates(t *testing.T) {
	c := testCertificates(t, "docker")
	got := map[string]int64{}
	for _, f := range c.ServerFiles("/certs") {
		got[f.Path] = f.Mode
		if strings.Contains(string(f.Content), "PRIVATE KEY") != strings.HasSuffix(f.Path, "key.pem") {
			t.Errorf("%s holds %.30q", f.Path, f.Content)
		}
	}
	want := map[string]int64{
		"/certs/ca/cert.pem": 0o644, "/certs/server/ca.pem": 0o644, "/certs/server/cert.pem": 0o644, "/certs/server/key.pem": 0o600,
		"/certs/client/ca.pem": 0o644, "/certs/client/cert.pem": 0o644, "/certs/client/key.pem": 0o644,
	}
	for path, mode := range want {
		if got[path] != mode {
			t.Errorf("%s has mode %o, want %o", path, got[path], mode)
		}
	}
	// With this key, dind images from before 2023 make certificates of their own.
	if _, there := got["/certs/ca/key.pem"]; there || len(got) != len(want) {
		t.Errorf("files %v", got)
	}
}

func TestBrokenClientCertificatesAreTold(t *testing.T) {
	if _, err := (&Certificates{clientCert: []byte("x")}).clientTLS(); err == nil {
		t.Error("no error")
	}
}

// BenchmarkCertificates measures the delay by TLS before a job's daemon boots.
func BenchmarkCertificates(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := NewCertificates(plan.TLS{Names: []string{"docker"}, Lifetime: time.Hour}, clientKey(b, false), nil, nil, time.Now()); err != nil {
			b.Fatal(err)
		}
	}
}

// Clients that know RSA alone read a key in the form of openssl: PKCS #1.
func TestClientsThatKnowRSAAloneGetTheirKey(t *testing.T) {
	c, err := NewCertificates(plan.TLS{Names: []string{"docker"}, Lifetime: time.Hour}, clientKey(t, true), nil, nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(c.clientKey)
	if block == nil || block.Type != "RSA PRIVATE KEY" {
		t.Fatalf("the key begins with %.40q", c.clientKey)
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil || key.N.BitLen() != 2048 {
		t.Errorf("%v", err)
	}
	if s, err := handshake(t, c, c, nil); s != nil || err != nil {
		t.Errorf("server %v, client %v", s, err)
	}
}

// With the key of one job, somebody would be a client of the next.
func TestNoKeyIsMadeTwice(t *testing.T) {
	for _, of := range []bool{false, true} {
		a, errA := encodeKey(clientKey(t, of))
		b, errB := encodeKey(clientKey(t, of))
		if errA != nil || errB != nil || string(a) == string(b) {
			t.Errorf("of RSA %t: %v, %v", of, errA, errB)
		}
	}
}

// BenchmarkClientKey measures the making of a key, before its certificate.
func BenchmarkClientKey(b *testing.B) {
	for name, of := range map[string]bool{"ecdsa": false, "rsa": true} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := NewClientKey(of); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
