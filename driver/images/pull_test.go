package images

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

// nobodyListens is the client's error for an engine that is not there.
func nobodyListens(t *testing.T) error {
	t.Helper()
	e, err := engine.Open("unix://" + filepath.Join(t.TempDir(), "none.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	_, err = e.Version(t.Context())
	if err == nil {
		t.Fatal("something answers")
	}
	return err
}

func TestWhoseFaultAFailedPullIs(t *testing.T) {
	im := &Set{Store: &Store{eng: unopened(t, "")}, Timeout: 30 * time.Minute}
	anonymous := plan.ImageRef{Name: "registry.example.com/app:1"}
	loggedIn := anonymous
	loggedIn.Auth = &plan.Credential{Host: "registry.example.com", Username: "u", Password: plan.NewSecret("p")}
	const ofJob, ofSystem = true, false
	for name, c := range map[string]struct {
		ref   plan.ImageRef
		err   error
		ofJob bool
		hint  string
	}{
		"no such tag": {anonymous, errors.New("manifest for registry.example.com/app:1 not found: manifest unknown: manifest unknown"), ofJob, "name and tag"},
		"not found":   {anonymous, fmt.Errorf("no: %w", errdefs.ErrNotFound), ofJob, "name and tag"},
		"no such image or no access, on the docker hub": {
			anonymous, fmt.Errorf("pull access denied for app, repository does not exist or may require 'docker login': denied: requested access to the resource is denied: %w", errdefs.ErrNotFound),
			ofJob, "DOCKER_AUTH_CONFIG",
		},
		"no access":              {anonymous, errors.New("unauthorized: authentication required"), ofJob, "DOCKER_AUTH_CONFIG"},
		"no access with a login": {loggedIn, errors.New("denied: access forbidden"), ofJob, "refused the job's credentials"},
		"no credentials at all":  {anonymous, errors.New("no basic auth credentials"), ofJob, "DOCKER_AUTH_CONFIG"},
		"an engine that says so": {anonymous, errdefs.ErrUnauthenticated, ofJob, "DOCKER_AUTH_CONFIG"},
		"too many":               {anonymous, errors.New("toomanyrequests: You have reached your pull rate limit"), ofSystem, "limits pulls"},
		"an unknown CA":          {anonymous, errors.New("x509: certificate signed by unknown authority"), ofSystem, "/etc/docker/certs.d/registry.example.com/ca.crt of this host"},
		"a registry without TLS": {
			anonymous, errors.New(`Get "https://registry.example.com/v2/": http: server gave HTTP response to HTTPS client`),
			ofSystem, `put "registry.example.com" into "insecure-registries" of the docker engine's daemon.json`,
		},
		"a registry that speaks something else than TLS": {
			anonymous, errors.New(`Get "https://registry.example.com/v2/": tls: first record does not look like a TLS handshake`),
			ofSystem, "insecure-registries",
		},
		"a proxy that is down": {
			anonymous, errors.New(`Get "https://registry.example.com/v2/": proxyconnect tcp: dial tcp 192.0.2.1:3128: connect: connection refused`),
			ofSystem, "see to HTTPS_PROXY of docker.service",
		},
		"a name that DNS lacks":      {anonymous, errors.New("dial tcp: lookup registry.example.com: no such host"), ofSystem, "name servers or proxy"},
		"a registry that is down":    {anonymous, errors.New("received unexpected HTTP status: 503 Service Unavailable"), ofSystem, ""},
		"a disk without room":        {anonymous, errors.New("failed to register layer: no space left on device"), ofSystem, "disk is full"},
		"a disk that says no":        {anonymous, errors.New("failed to register layer: open /x: permission denied"), ofSystem, ""},
		"a pull that takes for ever": {anonymous, context.DeadlineExceeded, ofSystem, "pull.timeout (30m)"},
		"an engine that is gone":     {anonymous, nobodyListens(t), ofSystem, "is it running?"},
		"a job that was cancelled":   {anonymous, context.Canceled, ofSystem, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := im.ExplainPull(c.ref, c.err)
			if !errors.Is(got, c.err) || !strings.HasPrefix(got.Error(), "pulling image registry.example.com/app:1: ") {
				t.Errorf("error %q", got)
			}
			if fault.IsOfJob(got) != c.ofJob || !strings.Contains(fault.HintOf(got), c.hint) || (c.hint == "") != (fault.HintOf(got) == "") {
				t.Errorf("of job %t, hint %q", fault.IsOfJob(got), fault.HintOf(got))
			}
		})
	}
}

// unopened is a connection to an engine that is never asked anything.
func unopened(t *testing.T, address string) *engine.Engine {
	t.Helper()
	e, err := engine.Open(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}
