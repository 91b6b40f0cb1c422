//go:build host

package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/test/rig"
)

// whole bounds the work on a machine.
const whole = 3 * time.Hour

// host is a machine booted with the file of docs/many-hosts.md, and the GitLab that its Runner
// asks for jobs.
type host struct {
	*testing.T
	m   *Machine
	api *rig.JobAPI
	ids *int64
	// place is the folder of scripts/hosts, and served the URL of the packages.
	place, served string
	// saved says that the machine went through cloudInit in an earlier run.
	saved bool
	// suite is the release of Debian. brief says that the machine leaves out what the other
	// machine shows.
	suite string
	brief bool
}

// on is the same host for another test.
func (h host) on(t *testing.T) host {
	h.T = t
	return h
}

// build runs a program of this repository, at its top, and returns its output.
func build(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Stderr, cmd.Env = "../..", os.Stderr, append(os.Environ(), env...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return strings.TrimSpace(string(out))
}

// packages makes the folder from which machines fetch packages: this program's, and a stand-in
// for GitLab Runner's.
func packages(t *testing.T, dir string) {
	t.Helper()
	build(t, []string{"DIST=" + dir, "VERSION=v99.1.0"}, "scripts/release", "amd64")
	made, err := filepath.Glob(filepath.Join(dir, "gitlab-dind-executor_*_amd64.deb"))
	if err != nil || len(made) != 1 {
		t.Fatalf("made was %q: %v", made, err)
	}
	if err := os.Rename(made[0], filepath.Join(dir, "gitlab-dind-executor_amd64.deb")); err != nil {
		t.Fatal(err)
	}
	runner := filepath.Join(t.TempDir(), "runner")
	build(t, []string{"CGO_ENABLED=0"}, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(runner, "usr/bin/gitlab-runner"), "./test/apirunner")
	for name, content := range map[string]string{
		"DEBIAN/control":  "Package: gitlab-runner\nVersion: 18.6.6-1\nArchitecture: amd64\nMaintainer: nobody <root@localhost>\nDescription: stands in for GitLab Runner\n",
		"DEBIAN/postinst": "#!/bin/sh\nsystemctl daemon-reload && systemctl enable gitlab-runner\n",
		// GitLab's own package has the same unit.
		"etc/systemd/system/gitlab-runner.service": `[Unit]
Description=GitLab Runner
After=network.target
[Service]
ExecStart=/usr/bin/gitlab-runner run --working-directory /var/lib --config /etc/gitlab-runner/config.toml
Restart=always
RestartSec=120
[Install]
WantedBy=multi-user.target
`,
	} {
		mode := os.FileMode(0o644)
		if strings.HasPrefix(content, "#!") {
			mode = 0o755
		}
		name = filepath.Join(runner, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(content), mode)); err != nil {
			t.Fatal(err)
		}
	}
	build(t, nil, "dpkg-deb", "-Zgzip", "-z1", "--root-owner-group", "-b", runner, filepath.Join(dir, "gitlab-runner_amd64.deb"))
}

// patient are settings for an emulated machine, where a daemon needs more than a minute to
// boot.
const patient = "[sidecar]\nready_timeout = \"30m\"\n[services]\nready_timeout = \"15m\"\n[cleanup]\ntimeout = \"30m\"\n"

// documented is the file for cloud-init of docs/many-hosts.md, with these addresses, this token
// and further settings.
func documented(t *testing.T, packages, gitlab, token, settings string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/many-hosts.md")
	if err != nil {
		t.Fatal(err)
	}
	_, file, found := strings.Cut(string(page), "```yaml\n#cloud-config\n")
	file, _, ended := strings.Cut(file, "```\n")
	if !found || !ended {
		t.Fatal("docs/many-hosts.md has no file for cloud-init")
	}
	for old, fresh := range map[string]string{"https://packages.example.com": packages, "https://gitlab.example.com": gitlab, "glrt-REPLACE-ME": token} {
		if !strings.Contains(file, old) {
			t.Fatalf("the file for cloud-init does not say %s", old)
		}
		file = strings.ReplaceAll(file, old, fresh)
	}
	// The first of the files are the settings.
	const content = "    content: |\n"
	before, after, found := strings.Cut(file, content)
	if !found || !strings.HasSuffix(before, "/dind.toml\n") {
		t.Fatal("the file for cloud-init does not begin with settings")
	}
	indented := ""
	for line := range strings.Lines(settings) {
		indented += "      " + line
	}
	return "#cloud-config\n" + before + content + indented + after
}

// serve serves a folder on this host's loopback, and returns the URL for machines.
func serve(t *testing.T, dir string) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.FileServer(http.Dir(dir)), ReadHeaderTimeout: time.Minute}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close() })
	return inside("http://" + l.Addr().String())
}

// inside is the URL by which machines reach a URL of this host's loopback.
func inside(url string) string { return strings.Replace(url, "127.0.0.1", Gateway, 1) }

// boot makes a machine of a release of Debian and lets cloud-init do its work.
func boot(t *testing.T, suite string) host {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), whole)
	t.Cleanup(cancel)
	place := build(t, nil, "scripts/hosts", suite)
	dir, saved := stateDir(t, suite)
	served := filepath.Join(dir, "served")
	packages(t, served)
	api, err := rig.ServeJobAPI(ctx, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { api.Close() })
	url := serve(t, served)
	accel, settings := Accelerator(ctx, place), ""
	if accel == Emulated {
		settings = patient
	}
	for name, content := range map[string]string{
		"user-data": documented(t, url, inside(api.URL), api.Token, settings), "vendor-data": "", "network-config": "version: 2\nethernets: {all: {match: {name: 'e*'}, dhcp4: true}}\n",
		"meta-data": "instance-id: " + suite + "\nlocal-hostname: " + suite + "\n",
	} {
		if err := os.WriteFile(filepath.Join(served, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, err := Start(ctx, Options{Place: place, Dir: dir, Seed: url + "/", Accel: accel, Saved: saved})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			console := m.Console()
			t.Logf("the end of the console:\n%s", console[max(0, len(console)-4000):])
		}
		m.Close()
	})
	began := time.Now()
	if err := m.Login(ctx); err != nil {
		t.Fatal(err)
	}
	if err := m.Measure(ctx); err != nil {
		t.Fatal(err)
	}
	t.Attr(suite, fmt.Sprintf("%s, up in %.0f s, %.1f times slower than an ordinary machine", accel, time.Since(began).Seconds(), m.Slower))
	ids := time.Now().Unix()
	return host{
		T: t, m: m, api: api, ids: &ids, place: place, served: url, saved: saved != "",
		suite: suite, brief: accel == Emulated && os.Getenv("DIND_HOST_ALL") == "",
	}
}

// stateDir is the folder of a machine. With $DIND_HOST_STATE the folder stays, and the next run
// begins from its state after cloud-init. Developers of an item need this.
func stateDir(t *testing.T, suite string) (dir, saved string) {
	t.Helper()
	if kept := os.Getenv("DIND_HOST_STATE"); kept != "" {
		dir = filepath.Join(kept, suite)
		if _, err := os.Stat(filepath.Join(dir, ready)); err == nil {
			return dir, ready
		}
		if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700)); err != nil {
			t.Fatal(err)
		}
		return dir, ""
	}
	dir, err := os.MkdirTemp("", "dind-host-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir, ""
}

// bound turns a bound d for an ordinary host into the bound for this host.
func (h host) bound(d time.Duration) time.Duration {
	return time.Duration(float64(d) * h.m.Slower)
}

// try runs commands on the host, for two minutes of an ordinary host at most.
func (h host) try(commands string) (string, error) {
	h.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(h.Context()), h.bound(2*time.Minute))
	defer cancel()
	return h.m.Run(ctx, commands)
}

// logIn waits until the machine has booted so far that root can log in.
func (h host) logIn() {
	h.Helper()
	ctx, cancel := context.WithTimeout(h.Context(), h.bound(2*time.Minute))
	defer cancel()
	if err := h.m.Login(ctx); err != nil {
		h.Fatal(err)
	}
}

// run runs commands on the host, which must succeed.
func (h host) run(commands string) string {
	h.Helper()
	out, err := h.try(commands)
	if err != nil {
		h.Fatalf("%s: %v\n%s", commands, err, out)
	}
	return out
}

// says runs commands on the host and looks for parts of their output.
func (h host) says(commands string, parts ...string) string {
	h.Helper()
	out := h.run(commands)
	for _, part := range parts {
		if !strings.Contains(out, part) {
			h.Errorf("%s says\n%s\nwithout %q", commands, out, part)
		}
	}
	return out
}

// until repeats commands on the host until they succeed.
func (h host) until(bound time.Duration, commands string) string {
	h.Helper()
	for deadline := time.Now().Add(bound); ; {
		out, err := h.try(commands)
		if err == nil {
			return out
		}
		if time.Now().After(deadline) {
			h.Fatalf("for %s in vain: %s: %v\n%s", bound, commands, err, out)
		}
		// Each question takes processor time from the awaited process.
		select {
		case <-time.After(h.bound(300 * time.Millisecond)):
		case <-h.Context().Done():
		}
	}
}
