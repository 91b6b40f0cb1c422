package driver

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"gitlab-dind-executor/test/fakeengine"
	"gitlab-dind-executor/test/plant"
)

// The engine's answer is that of a volume below a directory of the test's.
func volumeHere(t *testing.T) (d *Driver, dir string) {
	t.Helper()
	e, d := fakeHost(t, nil)
	d.host, dir = "unix:///run/docker.sock", t.TempDir()
	e.Always("GET /volumes/{name}", fakeengine.Saying(fmt.Sprintf(`{"Name": "v", "Driver": "local", "Mountpoint": %q}`, dir)))
	return d, dir
}

// Containers have the volume: what they put there is replaced, not opened.
func TestFilesInAVolumeAreReplacedAndReadOnlyIfTheyAreFiles(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	disk := plant.NewDisk(t)
	for _, k := range plant.Kinds(disk) {
		t.Run(k.Name, func(t *testing.T) {
			d, dir := volumeHere(t)
			name := filepath.Join(dir, "used")
			check := k.Put(t, name)
			if got, err := d.readHere(t.Context(), "v", "used"); err == nil && !k.Readable {
				t.Errorf("read %q", got["used"])
			}
			err := d.writeHere(t.Context(), "v", "used", []byte("a job\n"), 0o644)
			if (err == nil) != k.Replaceable {
				t.Errorf("error %v", err)
			}
			if err == nil {
				if info, err := os.Lstat(name); err != nil || info.Mode() != 0o644 {
					t.Errorf("there is %v, %v", info, err)
				}
			}
			if left, err := filepath.Glob(filepath.Join(dir, ".dind-*")); err != nil || len(left) > 0 {
				t.Errorf("there is left %v, %v", left, err)
			}
			check()
			disk.Untouched(t)
		})
	}
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
