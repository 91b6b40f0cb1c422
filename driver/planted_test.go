package driver

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/test/plant"
)

// This test covers every host file that the package opens, each replaced by hostile
// objects.
func TestWhatIsPlantedOnTheHost(t *testing.T) {
	t.Parallel()
	plant.Walk(t, "driver", map[string]plant.Use{
		"note of use in the volume of certificates": {Name: "used", May: plant.Replaced, Do: func(t *testing.T, file string) error {
			return volumeAt(t, filepath.Dir(file)).eng.WriteHere(t.Context(), "v", "used", []byte("a job\n"), 0o644)
		}},
		"certificates in their volume": {Name: "ca.pem", May: plant.Read, Do: func(t *testing.T, file string) error {
			_, err := volumeAt(t, filepath.Dir(file)).eng.ReadHere(t.Context(), "v", "ca.pem")
			return err
		}},
		"volume of the CAs of registries": {Name: "r.example.com", May: plant.Replaced, Quiet: "they are copied by the engine", Do: func(t *testing.T, file string) error {
			d, p := volumeAt(t, filepath.Dir(file)), testPlan(t)
			p.Job.RegistryCAs = map[string][]byte{"r.example.com": []byte("pem")}
			p.Sidecar.RegistryCAs = p.Job.RegistryCAs
			d.preparation(p, func(string) {}).placeCAs(t.Context(), p)
			if len(d.mountCAs(t.Context(), p)) != 2 {
				return errors.New(file)
			}
			return nil
		}},
		"`helper.runner_binary`": {May: plant.Named, Do: func(t *testing.T, file string) error {
			p := testPlan(t)
			e, d := fakeHost(t, p)
			e.AddNetwork(label.NetworkName(p.Sandbox), nil)
			c := p.Helper
			c.HostFiles = []plan.HostFile{{Source: file, Target: "/usr/local/bin/gitlab-runner"}}
			_, err := d.createWith(t.Context(), p, c, "helper", nil, engine.Image{})
			return err
		}},
	})
}

// A file from a hook in a volume can be read by any user of an image, whatever the umask of
// GitLab Runner is.
func TestAFileInAVolumeHasItsMode(t *testing.T) {
	defer unix.Umask(unix.Umask(0o077))
	dir := t.TempDir()
	d := volumeAt(t, dir)
	if err := d.eng.WriteHere(t.Context(), "v", "used", []byte("a job\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "used")); err != nil || info.Mode() != 0o644 {
		t.Errorf("%v, %v", info, err)
	}
}
