package driver

import (
	"archive/tar"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/test/fakeengine"
)

// jobWithCA creates a job container for a registry with a CA. placed says whether the CA is
// in the sandbox's volume. The results are the container's mounts and the copied files.
func jobWithCA(t *testing.T, d *Driver, e *fakeengine.Engine, p *plan.Plan, placed bool) (mounts []map[string]any, copied []string) {
	t.Helper()
	e.Always("PUT /containers/{id}/archive", func(_ *fakeengine.Engine, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		for a := tar.NewReader(r.Body); ; {
			h, err := a.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Error(err)
				break
			}
			if h.Typeflag == tar.TypeReg {
				copied = append(copied, h.Name)
			}
		}
		next(w, r)
	})
	e.AddNetwork(label.NetworkName(p.Sandbox), nil)
	p.Job.RegistryCAs, p.Job.CertDirs = map[string][]byte{"r.example.com:5000": []byte("pem")}, nil
	p.Sidecar.RegistryCAs = p.Job.RegistryCAs
	prep := d.preparation(p, func(string) {})
	if placed { // by the maker of the sandbox, before there is a job
		prep.placeCAs(t.Context(), p.Ahead().In(p.Sandbox))
	}
	id, err := prep.createJob(t.Context(), p, label.ObjectName(p.Sandbox, plan.RoleJob), label.ForJob(p), engine.Image{})
	if err != nil {
		t.Fatal(err)
	}
	if err := prep.equipJob(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	list, _ := e.Container(label.ObjectName(p.Sandbox, plan.RoleJob)).Host["Mounts"].([]any)
	for _, m := range list {
		mounts = append(mounts, m.(map[string]any))
	}
	return mounts, copied
}

// The hook writes into the volume. It is filled from no image, and the job may only read
// it.
func TestTheCAsOfRegistriesAreMounted(t *testing.T) {
	p, dir := testPlan(t), t.TempDir()
	e, d := engineWith(t, p, dir)
	mounts, copied := jobWithCA(t, d, e, p, true)
	if len(copied) > 0 {
		t.Errorf("copied %q", copied)
	}
	seen := 0
	for _, m := range mounts {
		options, _ := m["VolumeOptions"].(map[string]any)
		switch {
		case m["Target"] == casPath:
			if m["ReadOnly"] != true || options["NoCopy"] != true {
				t.Errorf("the volume can be written, or is filled: %v", m)
			}
			seen++
		case m["Type"] == "bind":
			source := filepath.Join(dir, "r.example.com:5000")
			if m["Target"] != "/etc/docker/certs.d/r.example.com:5000/ca.crt" || m["Source"] != source {
				t.Errorf("%v", m)
			}
			if text, err := os.ReadFile(source); err != nil || string(text) != "pem" {
				t.Errorf("%q, %v", text, err)
			}
			seen++
		case m["Target"] == plan.ClientCerts && options["NoCopy"] != true:
			t.Errorf("a volume that hooks open is filled: %v", m)
		}
	}
	if seen != 2 {
		t.Errorf("%v", mounts)
	}
}

// CAs are copied if this process does not see the volume, and in sandboxes made ahead by an
// older version.
func TestTheCAsOfRegistriesAreCopiedWhereTheyDoNotLie(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		engine func(t *testing.T, p *plan.Plan) (*fakeengine.Engine, *Driver)
		placed bool
	}{
		"made by an older version": {func(t *testing.T, p *plan.Plan) (*fakeengine.Engine, *Driver) { return engineWith(t, p, t.TempDir()) }, false},
		"another host's":           {func(t *testing.T, p *plan.Plan) (*fakeengine.Engine, *Driver) { return fakeHost(t, p) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := testPlan(t)
			e, d := c.engine(t, p)
			mounts, copied := jobWithCA(t, d, e, p, c.placed)
			if len(copied) != 1 || copied[0] != "etc/docker/certs.d/r.example.com:5000/ca.crt" {
				t.Errorf("copied %q", copied)
			}
			for _, m := range mounts {
				if m["Type"] == "bind" {
					t.Errorf("%v", m)
				}
			}
		})
	}
}
