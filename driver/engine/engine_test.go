package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/containerd/errdefs"

	"gitlab-dind-executor/fault"
)

// nobodyListens is the client's error for an engine that is not there.
func nobodyListens(t *testing.T) error {
	t.Helper()
	e, err := Open("unix://" + filepath.Join(t.TempDir(), "none.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	_, err = e.api.Ping(t.Context())
	if err == nil {
		t.Fatal("something answers")
	}
	return err
}

func TestWhatToDoAboutAnEnginesError(t *testing.T) {
	e := &Engine{address: "unix:///var/run/docker.sock"}
	refused := nobodyListens(t)
	for name, c := range map[string]struct {
		err  error
		hint string
	}{
		"nobody listens":        {refused, "does not answer: is it running?"},
		"the network is broken": {&net.OpError{Op: "read", Err: syscall.ECONNRESET}, "does not answer: is it running?"},
		"the Runner's user may not": {
			fmt.Errorf("%w: %w", refused, os.ErrPermission), "usermod -aG docker gitlab-runner",
		},
		"it takes too long":        {context.DeadlineExceeded, "the docker engine is slow"},
		"the job was cancelled":    {context.Canceled, ""},
		"the engine says no":       {errors.New("no"), ""},
		"its disk is full":         {errors.New("no space left on device"), "gitlab-dind-executor gc"},
		"what is asked for is not": {errdefs.ErrNotFound, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := e.Explain("making the sandbox's network", c.err)
			if !errors.Is(got, c.err) || !strings.HasPrefix(got.Error(), "making the sandbox's network: ") {
				t.Errorf("error %q", got)
			}
			if fault.IsOfJob(got) || !strings.Contains(fault.HintOf(got), c.hint) || (c.hint == "") != (fault.HintOf(got) == "") {
				t.Errorf("of job %t, hint %q", fault.IsOfJob(got), fault.HintOf(got))
			}
		})
	}
	if err := e.Explain("anything", nil); err != nil {
		t.Errorf("no error became %v", err)
	}
}

func TestWhichRefusalsMeanThatASubnetIsTaken(t *testing.T) {
	for text, want := range map[string]bool{
		"Pool overlaps with other one on this address space":                                              true,
		"invalid pool request: Pool overlaps with other one on this address space":                        true,
		"cannot create network a (br-a): conflicts with network b (br-b): networks have overlapping IPv4": true,
		"authorization denied by plugin policy: no":                                                       false,
		"Forbidden": false,
	} {
		if got := Refused(fmt.Errorf("%s%w", text, errForbidden), SubnetTaken); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}

// errForbidden has the type of a 403, shared by all of these errors.
var errForbidden = fmt.Errorf(": %w", errdefs.ErrPermissionDenied)
