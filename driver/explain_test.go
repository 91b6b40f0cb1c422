package driver

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
	d, err := Open("unix://" + filepath.Join(t.TempDir(), "none.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	_, err = d.eng.Version(t.Context())
	if err == nil {
		t.Fatal("something answers")
	}
	return err
}

func TestWhoseFaultAFailedPullIs(t *testing.T) {
	im := &images{d: &Driver{eng: engine.At("")}, timeout: 30 * time.Minute}
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
		"no access":                  {anonymous, errors.New("unauthorized: authentication required"), ofJob, "DOCKER_AUTH_CONFIG"},
		"no access with a login":     {loggedIn, errors.New("denied: access forbidden"), ofJob, "refused the job's credentials"},
		"no credentials at all":      {anonymous, errors.New("no basic auth credentials"), ofJob, "DOCKER_AUTH_CONFIG"},
		"an engine that says so":     {anonymous, errdefs.ErrUnauthenticated, ofJob, "DOCKER_AUTH_CONFIG"},
		"too many":                   {anonymous, errors.New("toomanyrequests: You have reached your pull rate limit"), ofSystem, "limits pulls"},
		"an unknown CA":              {anonymous, errors.New("x509: certificate signed by unknown authority"), ofSystem, "/etc/docker/certs.d/registry.example.com/ca.crt of this host"},
		"a name that DNS lacks":      {anonymous, errors.New("dial tcp: lookup registry.example.com: no such host"), ofSystem, "name servers or proxy"},
		"a registry that is down":    {anonymous, errors.New("received unexpected HTTP status: 503 Service Unavailable"), ofSystem, ""},
		"a disk without room":        {anonymous, errors.New("failed to register layer: no space left on device"), ofSystem, "disk is full"},
		"a disk that says no":        {anonymous, errors.New("failed to register layer: open /x: permission denied"), ofSystem, ""},
		"a pull that takes for ever": {anonymous, context.DeadlineExceeded, ofSystem, "pull.timeout (30 minutes)"},
		"an engine that is gone":     {anonymous, nobodyListens(t), ofSystem, "is it running?"},
		"a job that was cancelled":   {anonymous, context.Canceled, ofSystem, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := im.explainPull(c.ref, c.err)
			if !errors.Is(got, c.err) || !strings.HasPrefix(got.Error(), "pulling image registry.example.com/app:1: ") {
				t.Errorf("error %q", got)
			}
			if fault.IsOfJob(got) != c.ofJob || !strings.Contains(fault.HintOf(got), c.hint) || (c.hint == "") != (fault.HintOf(got) == "") {
				t.Errorf("of job %t, hint %q", fault.IsOfJob(got), fault.HintOf(got))
			}
		})
	}
}

func TestWhoseFaultAContainerThatDoesNotStartIs(t *testing.T) {
	for name, c := range map[string]struct {
		err   string
		ofJob bool
	}{
		"no shell in the image":      {`exec: "sh": executable file not found in $PATH: unknown`, true},
		"no such entrypoint":         {`exec: "/e": stat /e: no such file or directory: unknown`, true},
		"no such user":               {"unable to find user nobody2: no matching entries in passwd file", true},
		"the host has no memory":     {"cannot allocate memory", false},
		"the engine is in a bad way": {"OCI runtime create failed: runc did not terminate successfully", false},
	} {
		t.Run(name, func(t *testing.T) {
			err := startFault("golang:1", errors.New(c.err))
			if fault.IsOfJob(err) != c.ofJob || (fault.HintOf(err) != "") != c.ofJob {
				t.Errorf("of job %t, hint %q", fault.IsOfJob(err), fault.HintOf(err))
			}
			if c.ofJob && !strings.Contains(err.Error(), "golang:1") {
				t.Errorf("%q does not name the image", err)
			}
		})
	}
	if startFault("x", nil) != nil {
		t.Error("no error became one")
	}
	err := createFault(plan.Container{Image: plan.ImageRef{Name: "golang:1"}}, fmt.Errorf("bad: %w", errdefs.ErrInvalidArgument))
	if !fault.IsOfJob(err) || !strings.Contains(err.Error(), "golang:1") {
		t.Errorf("what the pipeline asked for in vain: %v", err)
	}
	refused := fmt.Errorf("bad: %w", errdefs.ErrInvalidArgument)
	if fault.IsOfJob(createFault(plan.Container{Role: plan.RoleHelper}, refused)) {
		t.Error("what the settings say of the helper is no fault of the job")
	}
	if fault.IsOfJob(createFault(plan.Container{}, errors.New("no space left on device"))) {
		t.Error("a full disk is no fault of the job")
	}
}
