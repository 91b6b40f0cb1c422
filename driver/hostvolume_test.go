package driver

import (
	"errors"
	"fmt"
	"testing"

	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/test/fakeengine"
)

// engineWith returns an engine that reports the directory as the place of every volume.
func engineWith(t *testing.T, p *plan.Plan, dir string) (*fakeengine.Engine, *Driver) {
	t.Helper()
	e, d := hereHost(t, p)
	e.Always("GET /volumes/{name}", fakeengine.Saying(fmt.Sprintf(`{"Name": "v", "Driver": "local", "Mountpoint": %q}`, dir)))
	return e, d
}

func volumeAt(t *testing.T, dir string) *Driver {
	t.Helper()
	_, d := engineWith(t, nil, dir)
	return d
}

// A volume with options is a mount of something else, which its name does not show.
func TestAVolumeWithOptionsIsNotOpened(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e, d := hereHost(t, nil)
	e.Always("GET /volumes/{name}", fakeengine.Saying(fmt.Sprintf(`{"Name": "v", "Driver": "local", "Mountpoint": %q, "Options": {"type": "none", "o": "bind", "device": "/etc"}}`, dir)))
	if err := d.eng.WriteHere(t.Context(), "v", "used", nil, 0o644); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("error %v", err)
	}
}
