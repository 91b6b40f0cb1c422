package e2e

import (
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// proxy is an HTTP proxy for TLS. It knows a single name, the registry's.
type proxy struct {
	url string

	mu    sync.Mutex
	asked []string
}

// startProxy listens where containers reach it, until the test's end.
func startProxy(t *testing.T) *proxy {
	t.Helper()
	gateway, err := rig.Gateway(t.Context(), world.Engine)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp4", net.JoinHostPort(gateway.String(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{url: "http://" + listener.Addr().String()}
	server := &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	return p
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked = append(p.asked, r.Host)
	p.mu.Unlock()
	if r.Method != http.MethodConnect || r.Host != world.Registry.Host {
		http.Error(w, "this proxy has no way there", http.StatusForbidden)
		return
	}
	to, err := net.DialTimeout("tcp4", world.Registry.LocalHost, 5*time.Second)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer to.Close()
	from, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer from.Close()
	if _, err := io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return
	}
	done := make(chan struct{}, 2)
	go func() { _, _ = io.Copy(to, buffered); done <- struct{}{} }()
	go func() { _, _ = io.Copy(from, to); done <- struct{}{} }()
	<-done
}

func (p *proxy) hosts() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.Sort(p.asked)
	return slices.Compact(p.asked)
}

func TestDaemonAndJobUseTheSettingsProxyButNotForEachOther(t *testing.T) {
	proxy := startProxy(t)
	p := world.Job(login,
		`docker pull -q $CI_REGISTRY/base/busybox`,
		`docker run -d -p 8443:80 $CI_REGISTRY/base/busybox httpd -f -h /etc`,
		`echo "asks $https_proxy $HTTPS_PROXY, not for $NO_PROXY"`,
		`curl -s https://elsewhere.example.com || echo "curl ended with $?"`,
	)
	runJob(t, p, changedSettings(t, "", "[proxy]\nhttps = \""+proxy.url+"\"\nno_proxy = \"corp.example.com\"")).
		succeeded().
		says("asks "+proxy.url+" "+proxy.url+", not for corp.example.com,docker,", "curl ended with 56")
	want := []string{world.Registry.Host, "elsewhere.example.com:443"}
	slices.Sort(want)
	if got := proxy.hosts(); !slices.Equal(got, want) {
		t.Errorf("the proxy was asked for %q, want %q", got, want)
	}
}

// Every proxy is a trap: the docker command asks the proxy for the daemon.
func TestPipelinesOwnProxyIsNotAskedForTheDaemon(t *testing.T) {
	for name, variables := range map[string]map[string]string{
		"with TLS":                           {"HTTPS_PROXY": "http://127.0.0.1:9"},
		"without TLS":                        {"HTTP_PROXY": "http://127.0.0.1:9", "DOCKER_TLS_CERTDIR": ""},
		"with a NO_PROXY that leaves it out": {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "corp.example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			p := after(world.Job(`docker version -f 'server {{.Server.Os}}'`), `docker version -f 'after {{.Server.Os}}, not for '$NO_PROXY`)
			for _, k := range []string{"HTTPS_PROXY", "HTTP_PROXY", "DOCKER_TLS_CERTDIR", "NO_PROXY"} {
				if v, set := variables[k]; set {
					lab.Set(&p, k, v)
				}
			}
			runJob(t, p).succeeded().says("server linux", "after linux, not for ", variables["NO_PROXY"])
		})
	}
}
