package executor

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/executor/diagnosis"
	"gitlab-dind-executor/executor/joblog"
	"gitlab-dind-executor/executor/payload"
	"gitlab-dind-executor/test/fakeengine"
)

// wrongHost is a Runner's host with a fault.
type wrongHost struct {
	t   *testing.T
	e   *fakeengine.Engine
	dir string
	// settings is the text of dind.toml except the engine's address, which is in engine.
	settings, engine string
	// hook is the program's path in config.toml.
	hook string
}

// newHost makes a host without a fault. Its engine is behind a unix socket, like an engine
// on the same host.
func newHost(t *testing.T) *wrongHost {
	t.Helper()
	h := &wrongHost{t: t, e: fakeengine.New(t), dir: t.TempDir()}
	to, err := url.Parse("http://" + strings.TrimPrefix(h.e.Host, "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(h.dir, "docker.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	server := &http.Server{Handler: proxy, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close() })
	h.engine = "unix://" + socket
	if h.hook, err = os.Executable(); err != nil {
		t.Fatal(err)
	}
	h.e.ExecOutput = "Version:      18.6.6\n"
	return h
}

func (h *wrongHost) write(name, text string) string {
	h.t.Helper()
	file := filepath.Join(h.dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return file
}

// call calls the program as Main does, within a bound.
func (h *wrongHost) call(bound time.Duration, environ []string, args ...string) (code int, stdout, log string) {
	h.t.Helper()
	text := h.settings
	if h.engine != "" {
		text = "[engine]\nhost = \"" + h.engine + "\"\n" + text
	}
	settings := h.write("dind.toml", text)
	var out, errs bytes.Buffer
	c := &call{env: payload.NewEnvironment(environ), stdout: &out, stderr: &errs, exit: newExit(payload.NewEnvironment(environ)), log: &joblog.Log{Out: &errs}}
	root := c.root()
	root.SetArgs(append([]string{"--settings", settings}, args...))
	ctx, cancel := context.WithTimeout(h.t.Context(), bound)
	defer cancel()
	code = c.code(root.ExecuteContext(ctx))
	return code, out.String(), errs.String()
}

// doctor returns doctor's output and exit code.
func (h *wrongHost) doctor() (said string, code int) {
	h.t.Helper()
	text := "[[runners]]\nname = \"builds\"\nurl = \"https://git.example.com\"\ntoken = \"glrt-secret\"\nexecutor = \"custom\"\n[runners.custom]\ngraceful_kill_timeout = 60\n"
	for _, name := range []string{"config", "prepare", "run", "cleanup"} {
		text += fmt.Sprintf("%[1]s_exec = %[2]q\n%[1]s_args = [\"--settings\", %[3]q, %[1]q]\n", name, h.hook, filepath.Join(h.dir, "dind.toml"))
	}
	code, said, log := h.call(time.Minute, nil, "doctor", "--runner-version", "18.6.6", "--runner-config", h.write("config.toml", text))
	for line := range strings.Lines(log) {
		if !strings.HasPrefix(line, "pulling ") && !strings.HasPrefix(line, "pulled ") {
			h.t.Errorf("doctor says %q besides", line)
		}
	}
	return said, code
}

// job returns the job log of a hook.
func (h *wrongHost) job(args ...string) string {
	h.t.Helper()
	_, _, log := h.call(10*time.Second, []string{"JOB_RESPONSE_FILE=" + h.write("response.json", with(""))}, args...)
	return log
}

// brief is job for an engine that hooks would wait for.
func (h *wrongHost) brief(args ...string) string {
	h.t.Helper()
	_, _, log := h.call(300*time.Millisecond, []string{"JOB_RESPONSE_FILE=" + h.write("response.json", with(""))}, args...)
	return log
}

// diagnosed is the diagnosis after a script with this output.
func (h *wrongHost) diagnosed(output string) string {
	var log bytes.Buffer
	if d, ok := diagnosis.Of(diagnosis.Failure{Output: output, Sidecar: looking.SidecarState{Known: true, Running: true}}); ok {
		(&joblog.Log{Out: &log}).Explain(d.Line, d.Hint)
	}
	return log.String()
}

// stage returns the output of the helper's stage for caches, in a helper with a
// gitlab-runner of this version.
func (h *wrongHost) stage(version string) string {
	h.t.Helper()
	bin := filepath.Join(h.dir, "bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "gitlab-runner"), []byte("#!/bin/sh\necho 'Version:      "+version+"'\n"), 0o700); err != nil {
		h.t.Fatal(err)
	}
	command := plan.HelperStage((&joblog.Log{}).ToolCheck("restore_cache", "18.6.6"))
	cmd := exec.CommandContext(h.t.Context(), command[0], command[1:]...)
	cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin", "TMPDIR=" + h.dir}
	cmd.Stdin = strings.NewReader("true\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		h.t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// anotherCA writes a file with a CA that has signed nothing.
func (h *wrongHost) anotherCA() string {
	h.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		h.t.Fatal(err)
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	if err != nil {
		h.t.Fatal(err)
	}
	return h.write("ca.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
}

// unprivileged refuses privileged containers, as an authorization plugin does.
func unprivileged(_ *fakeengine.Engine, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	var c struct{ HostConfig struct{ Privileged bool } }
	if json.Unmarshal(body, &c) == nil && c.HostConfig.Privileged {
		fakeengine.Refuse(http.StatusForbidden, "authorization denied by plugin no-privileged: privileged containers are not allowed")(nil, w, r, nil)
		return
	}
	next(w, r)
}

// refusing refuses those containers alone whose specification has a text in it, as the
// engine does.
func refusing(text, message string) fakeengine.Answer {
	return func(_ *fakeengine.Engine, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if bytes.Contains(body, []byte(text)) {
			fakeengine.Refuse(http.StatusBadRequest, message)(nil, w, r, nil)
			return
		}
		next(w, r)
	}
}

// withMirror writes settings with a mirror of a registry, and returns the mirror's name.
func (h *wrongHost) withMirror(remote string, port int) (name string) {
	h.settings = fmt.Sprintf("[mirror]\nenabled = true\nremote = %q\nport = %d\n", remote, port)
	s := config.Default()
	s.Mirror.Enabled, s.Mirror.Remote, s.Mirror.Port = true, remote, port
	m := plan.BuildMirror(s, plan.Secret{}, nil)
	h.e.AddImage(m.Image.Name, fakeengine.Image{})
	return m.Name
}

// deadMirror makes the settings' mirror run without an answer. After a number of looks the
// mirror has ended.
func deadMirror(h *wrongHost, name string, looks int64) {
	var looked atomic.Int64
	h.e.Always("GET /containers/{id}/json", func(_ *fakeengine.Engine, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		if id := r.PathValue("id"); id != name && id != "0123456789abcdef" {
			next(w, r)
			return
		}
		fakeengine.Saying(fmt.Sprintf(`{"Id": "0123456789abcdef", "Name": "/%s", "Config": {}, "State": {"Running": %t, "ExitCode": 1, "StartedAt": "2001-01-01T00:00:00Z"},
			"NetworkSettings": {"Ports": {"5000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "1"}]}}}`, name, looked.Add(1) <= looks))(nil, w, r, nil)
	})
}

// takenPort returns a port of 127.0.0.1 with a listener. The engine's bridge has this
// address.
func (h *wrongHost) takenPort() int {
	h.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { l.Close() })
	h.e.Always("GET /networks/{id}", func(_ *fakeengine.Engine, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		if r.PathValue("id") != "bridge" {
			next(w, r)
			return
		}
		fakeengine.Saying(`{"Name": "bridge", "Id": "bridge", "IPAM": {"Config": [{"Subnet": "127.0.0.0/8", "Gateway": "127.0.0.1"}]}}`)(nil, w, r, nil)
	})
	port := l.Addr().(*net.TCPAddr).Port
	h.e.Always("POST /containers/{id}/start", fakeengine.Refuse(http.StatusInternalServerError, fmt.Sprintf(
		"driver failed programming external connectivity on endpoint x (0123): Error starting userland proxy: listen tcp4 127.0.0.1:%d: bind: address already in use", port)))
	return port
}
