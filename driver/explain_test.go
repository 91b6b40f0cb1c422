package driver

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/containerd/errdefs"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

func TestWhoseFaultAContainerThatDoesNotStartIs(t *testing.T) {
	for name, c := range map[string]struct {
		err   string
		ofJob bool
	}{
		"no shell in the image":      {`exec: "sh": executable file not found in $PATH: unknown`, true},
		"no such entrypoint":         {`exec: "/e": stat /e: no such file or directory: unknown`, true},
		"no such relative one":       {`exec: "./e": stat ./e: no such file or directory: unknown`, true},
		"no such file on the host":   {`error mounting "/x" to rootfs at "/x": no such file or directory`, false},
		"no such user":               {"unable to find user nobody2: no matching entries in passwd file", true},
		"the host has no memory":     {"cannot allocate memory", false},
		"the engine is in a bad way": {"OCI runtime create failed: runc did not terminate successfully", false},
	} {
		t.Run(name, func(t *testing.T) {
			err := engine.StartFault("golang:1", errors.New(c.err))
			if fault.IsOfJob(err) != c.ofJob || (fault.HintOf(err) != "") != c.ofJob {
				t.Errorf("of job %t, hint %q", fault.IsOfJob(err), fault.HintOf(err))
			}
			if c.ofJob && !strings.Contains(err.Error(), "golang:1") {
				t.Errorf("%q does not name the image", err)
			}
		})
	}
	if engine.StartFault("x", nil) != nil {
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
	// If the settings give something to a container, the settings or the pipeline may be at
	// fault.
	given := plan.Container{Role: plan.RoleJob, Extras: plan.Extras{ShmSize: 1}}
	if err := createFault(given, refused); fault.IsOfJob(err) || !strings.Contains(fault.HintOf(err), "what job of the settings") || !strings.Contains(fault.HintOf(err), "pipeline") {
		t.Errorf("%v (%s)", err, fault.HintOf(err))
	}
	for text, hint := range map[string]string{
		`invalid mount config for type "bind": bind source path does not exist: /nope`: "services.volumes",
		"unknown runtime specified kata":                                               "services.runtime",
		"Requested CPUs are not available - requested 77, available: 0-1":              "limits.services",
	} {
		c := plan.Container{Role: plan.RoleService, Rights: plan.Rights{Runtime: "kata"}, Extras: plan.Extras{Binds: []plan.Bind{{Source: "/nope", Target: "/x"}}}}
		if err := createFault(c, fmt.Errorf("%s: %w", text, errdefs.ErrInvalidArgument)); fault.IsOfJob(err) || !strings.Contains(fault.HintOf(err), hint) {
			t.Errorf("%v (%s), want %s", err, fault.HintOf(err), hint)
		}
	}
	// Without a runtime in the settings, the engine takes its own default.
	noDefault := createFault(plan.Container{Role: plan.RoleJob}, fmt.Errorf("unknown or invalid runtime name: nope: %w", errdefs.ErrInvalidArgument))
	if fault.IsOfJob(noDefault) || !strings.Contains(fault.HintOf(noDefault), `"default-runtime"`) || strings.Contains(fault.HintOf(noDefault), "settings") {
		t.Errorf("%v (%s)", noDefault, fault.HintOf(noDefault))
	}
	if fault.IsOfJob(createFault(plan.Container{}, errors.New("no space left on device"))) {
		t.Error("a full disk is no fault of the job")
	}
}
