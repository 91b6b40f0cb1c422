package registry

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var digest = "sha256:" + strings.Repeat("a", 64)

// served starts a registry over TLS and returns a client that trusts it, with its host.
func served(t *testing.T, answer http.HandlerFunc) (Client, string) {
	t.Helper()
	s := httptest.NewTLSServer(answer)
	t.Cleanup(s.Close)
	s.Config.ErrorLog = nil
	host := s.Listener.Addr().String()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, host), 0o755); err != nil {
		t.Fatal(err)
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(dir, host, "own.crt"), ca, 0o600); err != nil {
		t.Fatal(err)
	}
	return Client{CertsDir: dir, Agent: "test"}, host
}

func bounded(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestWhatARegistryAnswers(t *testing.T) {
	found := func(w http.ResponseWriter, digest string) {
		w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
		w.Header().Set("Content-Length", "7")
		if digest != "" {
			w.Header().Set("Docker-Content-Digest", digest)
		}
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   error
		text   string
	}{
		"its digest":            {func(w http.ResponseWriter, _ *http.Request) { found(w, digest) }, nil, ""},
		"that it is forbidden":  {status(403), ErrDenied, ""},
		"that nobody is known":  {status(401), ErrDenied, ""},
		"that there is none":    {status(404), ErrMissing, ""},
		"that it limits":        {status(429), ErrBusy, "limits requests"},
		"a fault of its own":    {status(503), ErrBusy, "status 503"},
		"a teapot":              {status(418), nil, "status 418"},
		"no digest":             {func(w http.ResponseWriter, _ *http.Request) { found(w, "") }, nil, "cannot be understood"},
		"a digest that is none": {func(w http.ResponseWriter, _ *http.Request) { found(w, "sha256:../../etc") }, nil, "cannot be understood"},
		"control characters":    {func(w http.ResponseWriter, _ *http.Request) { found(w, "sha256:\x1b[2J") }, nil, "broke off"},
		"a short digest":        {func(w http.ResponseWriter, _ *http.Request) { found(w, "sha256:abc") }, nil, "cannot be understood"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://127.0.0.1:1/elsewhere", http.StatusTemporaryRedirect)
		}, nil, "status 307"},
		"a realm on the loopback": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Www-Authenticate", `Bearer realm="https://localhost:1/token",service="x"`)
			w.WriteHeader(401)
		}, nil, "cannot be understood"},
		"a header without end": {func(w http.ResponseWriter, _ *http.Request) {
			for i := range 100 {
				w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 1<<10))
			}
		}, nil, "broke off"},
		"words of its own": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			_, _ = w.Write([]byte(`{"errors":[{"code":"EVIL","message":"look at me"}]}`))
		}, nil, "status 400"},
	} {
		t.Run(name, func(t *testing.T) {
			client, host := served(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodHead {
					t.Errorf("%s counts as a pull", r.Method)
				}
				c.answer(w, r)
			})
			got, err := client.Digest(bounded(t, 10*time.Second), host+"/group/app:1", Credential{})
			switch {
			case c.want == nil && c.text == "":
				if err != nil || got != digest {
					t.Fatalf("got %q, %v", got, err)
				}
			case err == nil, c.want != nil && !errors.Is(err, c.want), !strings.Contains(err.Error(), c.text), strings.Contains(err.Error(), "look at me"):
				t.Fatalf("got %q, %v", got, err)
			}
		})
	}
}

func TestARegistryGetsTheCredentialsOfTheJobAlone(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("another host was asked: %s %q", r.URL, r.Header)
	}))
	defer elsewhere.Close()
	var asked []string
	answer := func(w http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		asked = append(asked, user+":"+password)
		if !ok {
			w.Header().Set("Www-Authenticate", `Basic realm="r"`)
			w.WriteHeader(401)
			return
		}
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	}
	client, host := served(t, answer)
	_, err := client.Digest(bounded(t, 10*time.Second), host+"/app:1", Credential{Username: "u", Password: "p"})
	if err == nil || len(asked) != 2 || asked[0] != ":" || asked[1] != "u:p" {
		t.Errorf("asked as %q: %v", asked, err)
	}
	asked = nil
	if _, err := client.Digest(bounded(t, 10*time.Second), host+"/app:1", Credential{}); !errors.Is(err, ErrDenied) || len(asked) != 1 {
		t.Errorf("without credentials asked as %q: %v", asked, err)
	}
}

func TestARegistryThatIsOutOfReach(t *testing.T) {
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	slow, slowHost := served(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	defer untrusted.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	for name, c := range map[string]struct {
		client            Client
		host              string
		connected, silent bool
		text              string
	}{
		"it refuses":            {Client{}, gone.Addr().String(), false, false, "refuses connections"},
		"it says nothing":       {Client{}, mute.Addr().String(), false, true, "does not answer"},
		"it takes its time":     {slow, slowHost, true, true, "does not answer"},
		"nobody knows its CA":   {Client{}, untrusted.Listener.Addr().String(), false, false, "unknown authority"},
		"it speaks plain HTTP":  {Client{}, plain.Listener.Addr().String(), false, false, "speaks no TLS"},
		"there is no such host": {Client{}, "registry.invalid", false, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.client.Digest(bounded(t, 300*time.Millisecond), c.host+"/app:1", Credential{})
			var u *Unreachable
			if !errors.As(err, &u) || !strings.Contains(err.Error(), c.text) {
				t.Fatalf("got %v", err)
			}
			if c.text != "" && (u.Silent != c.silent || u.Connected != c.connected) {
				t.Errorf("silent is %t, connected %t", u.Silent, u.Connected)
			}
		})
	}
}

func TestARegistryThatTheEngineTrustsAnyway(t *testing.T) {
	answer := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "7")
		w.Header().Set("Docker-Content-Digest", digest)
	}
	untrusted, plain := httptest.NewTLSServer(http.HandlerFunc(answer)), httptest.NewServer(http.HandlerFunc(answer))
	defer untrusted.Close()
	defer plain.Close()
	for name, host := range map[string]string{"over TLS": untrusted.Listener.Addr().String(), "without TLS": plain.Listener.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			c := Client{Insecure: func(_ context.Context, asked string) bool { return asked == host }}
			if got, err := c.Digest(bounded(t, 10*time.Second), host+"/app:1", Credential{}); err != nil || got != digest {
				t.Errorf("got %q, %v", got, err)
			}
			c.Insecure = func(context.Context, string) bool { return false }
			if _, err := c.Digest(bounded(t, 10*time.Second), host+"/app:1", Credential{}); err == nil {
				t.Error("it was trusted")
			}
		})
	}
}
