package driver

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/fakeengine"
)

// portIsTaken is an engine's answer to the start of a container whose port is taken.
const portIsTaken = "driver failed programming external connectivity on endpoint x (0123): Bind for 172.17.0.1:5017 failed: port is already allocated"

func TestAMirrorThatAnEngineDoesNotStartGoesAgain(t *testing.T) {
	t.Parallel()
	for message, hint := range map[string]string{
		portIsTaken:                     "name another mirror.port in the settings",
		"the engine is in a bad way":    "",
		"no space left on device (128)": "disk is full",
	} {
		t.Run(message, func(t *testing.T) {
			t.Parallel()
			e, d, m := fakeMirror(t)
			e.Always("POST /containers/{id}/start", fakeengine.Refuse(http.StatusInternalServerError, message))
			_, err := d.StartMirror(t.Context(), m, quiet)
			if err == nil || !strings.Contains(err.Error(), message) || !strings.Contains(fault.HintOf(err), hint) {
				t.Errorf("error %v, hint %q", err, fault.HintOf(err))
			}
			if left := e.Objects(); len(left) != 0 {
				t.Errorf("left: %q", left)
			}
		})
	}
}

// A port can fail for other reasons, and an admin who names none cannot mend the port.
func TestAPortIsCalledTakenOnlyIfItIs(t *testing.T) {
	t.Parallel()
	for message, port := range map[string]int{
		"failed to bind host port 172.17.0.1:5017/tcp: cannot assign requested address": 5017,
		portIsTaken: 0,
	} {
		t.Run(message, func(t *testing.T) {
			t.Parallel()
			e, d, m := fakeMirror(t)
			m.Port = port
			e.Always("POST /containers/{id}/start", fakeengine.Refuse(http.StatusInternalServerError, message))
			_, err := d.StartMirror(t.Context(), m, quiet)
			if err == nil || !strings.Contains(err.Error(), message) || strings.Contains(err.Error()+fault.HintOf(err), "mirror.port") {
				t.Errorf("error %v, hint %q", err, fault.HintOf(err))
			}
		})
	}
}

// What a mirror has stored stays, whoever has its port now.
func TestAMirrorThatHasRunStays(t *testing.T) {
	t.Parallel()
	e, d, m := fakeMirror(t)
	if _, err := d.StartMirror(t.Context(), m, quiet); err != nil {
		t.Fatal(err)
	}
	made := e.Objects()
	e.Exit(m.Name, 1)
	e.Always("POST /containers/{id}/start", fakeengine.Refuse(http.StatusInternalServerError, portIsTaken))
	if _, err := d.StartMirror(t.Context(), m, quiet); err == nil || !strings.Contains(err.Error(), "port 5017 of this host, which mirror.port names, is taken") {
		t.Errorf("the error is %v", err)
	}
	if left := e.Objects(); !slices.Equal(left, made) {
		t.Errorf("left %q of %q", left, made)
	}
}

// The next hook goes on with what an engine that is silent may have.
func TestAMirrorWhoseStartIsCutOffStays(t *testing.T) {
	t.Parallel()
	e, d, m := fakeMirror(t)
	e.Always("POST /containers/{id}/start", fakeengine.Hang())
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := d.StartMirror(ctx, m, quiet); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v", err)
	}
	if left := e.Objects(); len(left) != 2 {
		t.Errorf("left: %q", left)
	}
}
