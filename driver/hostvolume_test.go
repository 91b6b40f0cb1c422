package driver

import (
	"errors"
	"fmt"
	"testing"

	"gitlab-dind-executor/test/fakeengine"
)

// volumeAt is a driver whose engine says that every volume is that directory.
func volumeAt(t *testing.T, dir string) *Driver {
	t.Helper()
	e, d := fakeHost(t, nil)
	d.host = "unix:///run/docker.sock"
	e.Always("GET /volumes/{name}", fakeengine.Saying(fmt.Sprintf(`{"Name": "v", "Driver": "local", "Mountpoint": %q}`, dir)))
	return d
}

func volumeHere(t *testing.T) (d *Driver, dir string) {
	t.Helper()
	dir = t.TempDir()
	return volumeAt(t, dir), dir
}

// One with options is a mount of something else, which its name does not tell.
func TestAVolumeWithOptionsIsNotOpened(t *testing.T) {
	dir := t.TempDir()
	e, d := fakeHost(t, nil)
	d.host = "unix:///run/docker.sock"
	e.Always("GET /volumes/{name}", fakeengine.Saying(fmt.Sprintf(`{"Name": "v", "Driver": "local", "Mountpoint": %q, "Options": {"type": "none", "o": "bind", "device": "/etc"}}`, dir)))
	if err := d.writeHere(t.Context(), "v", "used", nil, 0o644); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("error %v", err)
	}
}
