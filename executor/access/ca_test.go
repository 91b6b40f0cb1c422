package access

import (
	"bytes"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/fault"
)

func TestCAsOfRegistriesAreRead(t *testing.T) {
	dir := t.TempDir()
	file, pem := caFile(t)
	s := config.Default()
	s.Registry = map[string]config.Registry{"r.example.com:5050": {CAFile: file}, "plain.example.com": {}}
	cas, err := RegistryCAs(s)
	if err != nil || len(cas) != 1 || !bytes.Equal(cas["r.example.com:5050"], pem) {
		t.Errorf("got %q, %v", cas, err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{filepath.Join(dir, "none"), empty} {
		s.Registry["gone.example.com"] = config.Registry{CAFile: file}
		if _, err = RegistryCAs(s); err == nil || fault.IsOfJob(err) || !strings.Contains(err.Error(), "gone.example.com") || fault.HintOf(err) == "" {
			t.Errorf("error %v, hint %q", err, fault.HintOf(err))
		}
	}
}

// caFile writes a file with a certificate, like a CA's.
func caFile(t *testing.T) (file string, text []byte) {
	t.Helper()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	text = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	file = filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file, text
}
