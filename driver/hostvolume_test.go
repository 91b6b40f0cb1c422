package driver

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/test/fakeengine"
)

// The engine's answer is that of a volume below a directory of the test's.
func volumeHere(t *testing.T) (d *Driver, dir string) {
	t.Helper()
	e, d := fakeHost(t, nil)
	d.host, dir = "unix:///run/docker.sock", t.TempDir()
	e.Always("GET /volumes/{name}", fakeengine.Saying(fmt.Sprintf(`{"Name": "v", "Driver": "local", "Mountpoint": %q}`, dir)))
	return d, dir
}

// Any user of a job's image reads the CAs, whatever the umask of GitLab Runner.
func TestFilesInAVolumeOfThisHost(t *testing.T) {
	d, dir := volumeHere(t)
	defer syscall.Umask(syscall.Umask(0o077))
	files := append(registryCAs(plan.ConfigDir, map[string][]byte{"registry.test:5000": []byte("pem")}),
		file{path: "/etc/docker/certs.d/top", mode: 0o600, content: []byte("x")})
	for range 2 {
		if err := d.writeHere(t.Context(), "v", "/etc/docker/certs.d", files); err != nil {
			t.Fatal(err)
		}
	}
	for name, mode := range map[string]os.FileMode{"registry.test:5000": os.ModeDir | 0o755, "registry.test:5000/ca.crt": 0o644, "top": 0o600} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

// The volume begins with what a job's image has there.
func TestFilesInAVolumeStayInIt(t *testing.T) {
	outside := t.TempDir()
	for name, plant := range map[string]func(dir string) error{
		"a link for the directory": func(dir string) error { return os.Symlink(outside, filepath.Join(dir, "r")) },
		"a link for the file": func(dir string) error {
			if err := os.Mkdir(filepath.Join(dir, "r"), 0o755); err != nil {
				return err
			}
			return os.Symlink(filepath.Join(outside, "ca.crt"), filepath.Join(dir, "r/ca.crt"))
		},
		"a pipe": func(dir string) error {
			if err := os.Mkdir(filepath.Join(dir, "r"), 0o755); err != nil {
				return err
			}
			return syscall.Mkfifo(filepath.Join(dir, "r/ca.crt"), 0o644)
		},
	} {
		d, dir := volumeHere(t)
		if err := plant(dir); err != nil {
			t.Fatal(err)
		}
		if err := d.writeHere(t.Context(), "v", "/etc/docker/certs.d", registryCAs(plan.ConfigDir, map[string][]byte{"r": []byte("pem")})); err == nil {
			t.Errorf("%s: no error", name)
		}
		if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
			t.Errorf("%s: outside there is %v, %v", name, left, err)
		}
	}
}
