package driver

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/test/fakeengine"
	testplant "gitlab-dind-executor/test/plant"
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

// Containers have the volume: what they put there is replaced, not opened.
func TestFilesInAVolumeStayInIt(t *testing.T) {
	outside, disk := t.TempDir(), testplant.NewDisk(t)
	for name, c := range map[string]struct {
		plant    func(ca string) error
		replaced bool
	}{
		"a link for the directory": {func(ca string) error { return os.Symlink(outside, filepath.Dir(ca)) }, false},
		"a pipe for the directory": {func(ca string) error { return syscall.Mkfifo(filepath.Dir(ca), 0o644) }, false},
		"a directory for the file": {func(ca string) error { return os.MkdirAll(ca, 0o755) }, false},
		"a link":                   {in(func(ca string) error { return os.Symlink(filepath.Join(outside, "ca.crt"), ca) }), true},
		"a pipe":                   {in(func(ca string) error { return syscall.Mkfifo(ca, 0o644) }), true},
		"a disk":                   {in(func(ca string) error { return syscall.Mknod(ca, syscall.S_IFBLK|0o644, int(disk.Number)) }), true},
	} {
		d, dir := volumeHere(t)
		ca := filepath.Join(dir, "r/ca.crt")
		if err := c.plant(ca); err != nil {
			t.Fatal(err)
		}
		err := d.writeHere(t.Context(), "v", "/etc/docker/certs.d", registryCAs(plan.ConfigDir, map[string][]byte{"r": []byte("pem")}))
		if (err == nil) != c.replaced {
			t.Errorf("%s: error %v", name, err)
		}
		if info, err := os.Lstat(ca); c.replaced && (err != nil || !info.Mode().IsRegular()) {
			t.Errorf("%s: there is %v, %v", name, info, err)
		}
		if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
			t.Errorf("%s: outside there is %v, %v", name, left, err)
		}
		if left, err := filepath.Glob(filepath.Join(dir, "*/.dind-*")); err != nil || len(left) > 0 {
			t.Errorf("%s: there is left %v, %v", name, left, err)
		}
		disk.Untouched(t)
	}
}

func in(put func(string) error) func(string) error {
	return func(ca string) error { return errors.Join(os.Mkdir(filepath.Dir(ca), 0o755), put(ca)) }
}
