package rig

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/client"
)

const registryName = "registry.rig.test"

// startRegistry starts a registry for the test.
func startRegistry(t *testing.T, cli *client.Client, opts RegistryOptions) *Registry {
	t.Helper()
	r, err := StartRegistry(t.Context(), cli, registryName, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestRegistryTakesAPush(t *testing.T) {
	cli := newClient(t)
	Unchanged(t, cli)
	r := startRegistry(t, cli, RegistryOptions{})
	ctx := t.Context()

	if tags, err := r.Tags(ctx, "group/app"); err != nil || len(tags) != 0 {
		t.Errorf("before: tags %q, %v; want none", tags, err)
	}
	if _, err := r.Digest(ctx, "group/app", "1"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before: Digest gives %v, want fs.ErrNotExist", err)
	}
	names := namesOf(t, cli, ImageBusybox)
	for _, tag := range []string{"1", "2"} {
		if err := r.Push(ctx, cli, ImageBusybox, "group/app:"+tag); err != nil {
			t.Fatal(err)
		}
	}
	if after := namesOf(t, cli, ImageBusybox); !slices.Equal(names, after) {
		t.Errorf("the image's names are %q, and were %q", after, names)
	}
	tags, err := r.Tags(ctx, "group/app")
	slices.Sort(tags)
	if err != nil || !slices.Equal(tags, []string{"1", "2"}) {
		t.Errorf("tags %q, %v; want 1 and 2", tags, err)
	}
	one, err := r.Digest(ctx, "group/app", "1")
	if err != nil || !regexp.MustCompile(`^sha256:[0-9a-f]{64}$`).MatchString(one) {
		t.Errorf("Digest gives %q, %v", one, err)
	}
	if two, err := r.Digest(ctx, "group/app", "2"); err != nil || two != one {
		t.Errorf("Digest of the second tag gives %q, %v; want %q", two, err, one)
	}
}

// namesOf returns all tags and digests under which the engine has an image.
func namesOf(t *testing.T, cli *client.Client, image string) []string {
	t.Helper()
	i, err := cli.ImageInspect(t.Context(), image)
	if err != nil {
		t.Fatal(err)
	}
	return append(slices.Clone(i.RepoTags), i.RepoDigests...)
}

func TestRegistryRefusesAWrongPassword(t *testing.T) {
	cli := newClient(t)
	Unchanged(t, cli)
	r := startRegistry(t, cli, RegistryOptions{})
	password := r.Password
	defer func() { r.Password = password }()

	r.Password = "wrong"
	if err := r.ping(t.Context()); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("asked: %v, want 401", err)
	}
	err := r.Push(t.Context(), cli, ImageBusybox, "app:1")
	if err == nil || !strings.Contains(err.Error(), "no basic auth credentials") && !strings.Contains(err.Error(), "unauthorized") {
		t.Errorf("pushed: %v, want it refused", err)
	}
	r.Password = password
	if tags, err := r.Tags(t.Context(), "app"); err != nil || len(tags) > 0 {
		t.Errorf("tags %q, %v; want none", tags, err)
	}
}

func TestAnonymousRegistryAsksForNothing(t *testing.T) {
	cli := newClient(t)
	Unchanged(t, cli)
	r := startRegistry(t, cli, RegistryOptions{Anonymous: true})
	if err := r.Push(t.Context(), cli, ImageBusybox, "app:1"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Digest(t.Context(), "app", "1"); err != nil {
		t.Error(err)
	}
}

func TestRegistryCertificateHoldsAtEveryAddress(t *testing.T) {
	cli := newClient(t)
	Unchanged(t, cli)
	r := startRegistry(t, cli, RegistryOptions{Names: []string{"other.rig.test"}})
	transport := r.http.Transport.(*http.Transport)
	_, port, _ := strings.Cut(r.LocalHost, ":")
	tests := []struct {
		addr, name string
		good       bool
	}{
		{r.LocalHost, registryName, true},
		{r.LocalHost, "other.rig.test", true},
		{r.LocalHost, "127.0.0.1", true},
		{r.Addr.String() + ":" + port, r.Addr.String(), true},
		{r.Addr.String() + ":" + port, registryName, true},
		{r.LocalHost, "wrong.rig.test", false},
	}
	for _, tt := range tests {
		t.Run(tt.name+" at "+tt.addr, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			conn, err := (&tls.Dialer{Config: tlsFor(transport.TLSClientConfig.RootCAs, tt.name)}).DialContext(ctx, "tcp", tt.addr)
			if err == nil {
				conn.Close()
			}
			if (err == nil) != tt.good {
				t.Errorf("error %v", err)
			}
		})
	}
}

// A job's network is another bridge than the registry's. The docker command looks up a manifest
// by itself, without an engine, and takes the CA from certs.d.
func TestContainerOnAnotherBridgeReachesTheRegistryByName(t *testing.T) {
	cli := newClient(t)
	Unchanged(t, cli)
	r := startRegistry(t, cli, RegistryOptions{})
	if err := r.Push(t.Context(), cli, ImageBusybox, "group/app:1"); err != nil {
		t.Fatal(err)
	}
	auth, err := json.Marshal(map[string]any{"auths": map[string]any{
		r.Host: map[string]string{"username": r.User, "password": r.Password},
	}})
	if err != nil {
		t.Fatal(err)
	}
	image := DeriveWith(t, cli, ImageCLI, []File{
		{Path: "/etc/docker/certs.d/" + r.Host + "/ca.crt", Content: string(r.CAPEM)},
		{Path: "/auth/config.json", Content: string(auth)},
	}, "ENV DOCKER_CONFIG=/auth")
	hosts := []string{registryName + ":" + r.Addr.String()}
	code, out := run(t, cli, image, createNetwork(t, cli), hosts, "docker", "manifest", "inspect", r.Host+"/group/app:1")
	if code != 0 || !strings.Contains(out, "sha256:") {
		t.Errorf("docker manifest inspect ends with %d: %s", code, out)
	}
}

func TestContainerOnAnotherBridgeClones(t *testing.T) {
	cli := newClient(t)
	Unchanged(t, cli)
	s := startGit(t)
	code, out := run(t, cli, ImageHelper, createNetwork(t, cli), nil, "git", "ls-remote", s.URL, "refs/heads/"+s.Branch)
	if code != 0 || !strings.HasPrefix(out, s.SHA) {
		t.Errorf("git ls-remote ends with %d: %s", code, strings.ReplaceAll(out, s.Token, "…"))
	}
}

func TestClosedRegistryLeavesNothing(t *testing.T) {
	cli := newClient(t)
	Unchanged(t, cli)
	r := startRegistry(t, cli, RegistryOptions{})
	if pem, err := os.ReadFile(r.CAFile); err != nil || string(pem) != string(r.CAPEM) {
		t.Errorf("the CA's file does not hold the CA (%v)", err)
	}
	for range 2 {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(r.dir); !os.IsNotExist(err) {
		t.Errorf("the CA's directory is still there (%v)", err)
	}
}

func TestRegistryThatEndsIsToldWithItsLastLines(t *testing.T) {
	cli := newClient(t)
	Unchanged(t, cli)
	r := startRegistry(t, cli, RegistryOptions{})
	if err := cli.ContainerKill(t.Context(), r.container, "KILL"); err != nil {
		t.Fatal(err)
	}
	err := r.waitReady(t.Context())
	if err == nil || !strings.Contains(err.Error(), "exit code 137") || !strings.Contains(err.Error(), "listening on") {
		t.Errorf("error %v, want exit code and log", err)
	}
}

func TestPushResult(t *testing.T) {
	tests := []struct{ name, progress, want string }{
		{"it worked", `{"status":"Pushed"}{"aux":{"Tag":"1"}}`, ""},
		{"the registry refused", `{"status":"Preparing"}{"errorDetail":{"message":"denied"},"error":"denied"}`, "denied"},
		{"the engine went away", `{"status":"Prep`, "breaks off"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := fmt.Sprint(progressResult(strings.NewReader(tt.progress)))
			if tt.want == "" && got != "<nil>" || !strings.Contains(got, tt.want) {
				t.Errorf("error %s, want %q", got, tt.want)
			}
		})
	}
}

func TestPortTaken(t *testing.T) {
	tests := []struct {
		err  error
		want bool
	}{
		{nil, false},
		{errors.New("driver failed: Bind for 127.0.0.1:5000 failed: port is already allocated"), true},
		{errors.New("listen tcp4 172.17.0.1:5000: bind: address already in use"), true},
		{errors.New("no such image"), false},
	}
	for _, tt := range tests {
		if got := portTaken(tt.err); got != tt.want {
			t.Errorf("portTaken(%v) = %v, want %v", tt.err, got, tt.want)
		}
	}
}

func TestRegistryTakesAnotherPortWhenOneIsTaken(t *testing.T) {
	cli := newClient(t)
	Unchanged(t, cli)
	other := startRegistry(t, cli, RegistryOptions{})
	_, ofContainer, _ := strings.Cut(other.LocalHost, ":")
	listener, err := net.Listen("tcp4", net.JoinHostPort(other.Addr.String(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, ofProcess, _ := strings.Cut(listener.Addr().String(), ":")

	cert, err := newServerCertificate(time.Now(), []string{registryName}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &Registry{cli: cli, Addr: other.Addr}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	taken := []string{ofContainer, ofProcess}
	port, err := r.run(t.Context(), cert, nil, nil, func(ctx context.Context) (string, error) {
		if len(taken) == 0 {
			return freePort(ctx)
		}
		port := taken[0]
		taken = taken[1:]
		return port, nil
	})
	if err != nil || port == ofContainer || port == ofProcess {
		t.Errorf("it runs on %s, %v; taken are %s and %s", port, err, ofContainer, ofProcess)
	}
}
