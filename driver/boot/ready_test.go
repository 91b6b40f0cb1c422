package boot

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gitlab-dind-executor/driver/bounds"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/test/ends"
)

// innerDaemon answers like dockerd. With certificates it speaks mutual TLS.
func innerDaemon(t *testing.T, certs *Certificates, answer http.HandlerFunc) plan.Sidecar {
	t.Helper()
	server := httptest.NewUnstartedServer(answer)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // refused clients need no log
	var s plan.Sidecar
	if certs == nil {
		server.Start()
	} else {
		pair, err := tls.X509KeyPair(certs.serverCert, certs.serverKey)
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(certs.ca)
		server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
		server.StartTLS()
		s.TLS = &plan.TLS{}
	}
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if s.Port, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	return s
}

func docker(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Server", "Docker/28.1.1 (linux)")
}

// pollInVain asks a daemon that never gives a useful answer.
func pollInVain(t *testing.T, s plan.Sidecar, ip string, certs *Certificates) (string, bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	return poll(ctx, t, s, ip, certs)
}

func poll(ctx context.Context, t *testing.T, s plan.Sidecar, ip string, certs *Certificates) (version string, ok bool) {
	t.Helper()
	p, err := newPinger(s, ip, certs, bounds.Usual().QuietAfter)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	ends.ByItself(t, func() { version, ok = p.poll(ctx) })
	return version, ok
}

func TestAnInnerDaemonThatAnswersIsReady(t *testing.T) {
	certs := testCertificates(t, "docker")
	for name, c := range map[string]*Certificates{"over TLS": certs, "in plaintext": nil} {
		t.Run(name, func(t *testing.T) {
			if version, ok := poll(t.Context(), t, innerDaemon(t, c, docker), "127.0.0.1", c); !ok || version != "28.1.1" {
				t.Errorf("ready %t, version %q", ok, version)
			}
		})
	}
}

func TestAnInnerDaemonThatIsNotReadyYetIsAskedAgain(t *testing.T) {
	calls := 0
	s := innerDaemon(t, nil, func(w http.ResponseWriter, r *http.Request) {
		if calls++; calls < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		docker(w, r)
	})
	if _, ok := poll(t.Context(), t, s, "127.0.0.1", nil); !ok || calls != 3 {
		t.Errorf("ready %t after %d calls", ok, calls)
	}
}

// A sidecar belongs to the job. It must not send the hook, root on the host, anywhere, nor write
// into the job log.
func TestWhatASidecarAnswersIsNotBelieved(t *testing.T) {
	asked := false
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = true
		docker(w, r)
	}))
	defer host.Close()
	for _, code := range []int{301, 302, 303, 307, 308} {
		s := innerDaemon(t, nil, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, host.URL, code) })
		if r, ok := pollInVain(t, s, "127.0.0.1", nil); ok || asked {
			t.Errorf("status %d: ready %t with version %q, asked the host %t", code, ok, r, asked)
		}
	}
	for _, server := range []string{"Docker/28.1.1\x1b[31m", "Docker/sk-secret", "nginx/1.2 (x)", "28.1.1", "Docker/" + strings.Repeat("1", 200)} {
		answered := make(chan struct{})
		once := sync.OnceFunc(func() { close(answered) })
		s := innerDaemon(t, nil, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Server", server)
			once()
		})
		r, _ := pollInVain(t, s, "127.0.0.1", nil)
		ends.Await(t, answered, "a question")
		if r != "" {
			t.Errorf("%q is taken for version %q", server, r)
		}
	}
}

func TestTheDaemonOfAnotherSandboxIsNotOurs(t *testing.T) {
	s := innerDaemon(t, testCertificates(t, "docker"), docker)
	if _, ok := pollInVain(t, s, "127.0.0.1", testCertificates(t, "docker")); ok {
		t.Error("it was taken for ours")
	}
}

// Without an address the URL would mean this host, where a daemon may listen.
func TestASidecarWithoutAnAddressIsNotLookedForHere(t *testing.T) {
	asked := false
	s := innerDaemon(t, nil, func(http.ResponseWriter, *http.Request) { asked = true })
	if _, ok := pollInVain(t, s, "", nil); ok || asked {
		t.Errorf("ready %t, asked %t", ok, asked)
	}
}

// A daemon that has refused was within reach. After it falls silent, waiting for the rest of
// ready_timeout would be in vain.
func TestADaemonThatWasWithinReachAndIsNotAnyMoreIsGivenUp(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	refused := make(chan struct{})
	go func() { // the listener takes and ends one connection, then none
		if conn, err := listener.Accept(); err == nil {
			_ = conn.Close()
		}
		close(refused)
	}()
	s := plan.Sidecar{}
	s.Port = listener.Addr().(*net.TCPAddr).Port
	p, err := newPinger(s, "127.0.0.1", nil, 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	p.http.Timeout = 20 * time.Millisecond
	ends.ByItself(t, func() {
		if _, ok := p.poll(t.Context()); ok {
			t.Error("it counts as ready")
		}
	})
	<-refused
}

// On a host with too much to do, an answer takes longer than a quick question allows.
func TestADaemonThatAnswersSlowlyIsReady(t *testing.T) {
	t.Parallel()
	s := innerDaemon(t, nil, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(200 * time.Millisecond):
			docker(w, r)
		case <-r.Context().Done():
		}
	})
	p, err := newPinger(s, "127.0.0.1", nil, 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	p.http.Timeout, p.patience = 20*time.Millisecond, 50*time.Millisecond
	ends.ByItself(t, func() {
		if _, ok := p.poll(t.Context()); ok {
			t.Error("quick questions were answered")
		}
		if version, ok := p.insist(t.Context()); !ok || version != "28.1.1" {
			t.Errorf("ready %t, version %q", ok, version)
		}
	})
}

func TestPausesGrowWithTheWait(t *testing.T) {
	for _, c := range []struct{ waited, want time.Duration }{
		{0, 10 * time.Millisecond}, {400 * time.Millisecond, 10 * time.Millisecond}, {2 * time.Second, 40 * time.Millisecond}, {time.Hour, time.Second},
	} {
		if got := easing(pingEvery, c.waited); got != c.want {
			t.Errorf("after %s the pause is %s, want %s", c.waited, got, c.want)
		}
	}
}
