package driver

import (
	"archive/tar"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/fakeengine"
)

// An engine on another host gets a copy.
func TestAFileOfTheHostIsCopiedToAnEngineElsewhere(t *testing.T) {
	t.Parallel()
	p := testPlan(t)
	e, d := fakeHost(t, p)
	e.AddNetwork(label.NetworkName(p.Sandbox), nil)
	src := filepath.Join(t.TempDir(), "gitlab-runner")
	content := strings.Repeat("program ", 100_000)
	if err := os.WriteFile(src, []byte(content), 0o700); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	e.Always("PUT /containers/{id}/archive", func(_ *fakeengine.Engine, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		for a := tar.NewReader(r.Body); ; {
			h, err := a.Next()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					t.Error(err)
				}
				break
			}
			text, _ := io.ReadAll(a)
			got[h.Name] = string(text)
			if h.Mode != 0o755 {
				t.Errorf("%s has mode %o", h.Name, h.Mode)
			}
		}
		next(w, r)
	})
	c := p.Helper
	c.HostFiles = []plan.HostFile{{Source: src, Target: "/usr/local/bin/gitlab-runner"}}
	if _, err := d.createWith(t.Context(), p, c, "helper", nil, engine.Image{}); err != nil {
		t.Fatal(err)
	}
	if got["usr/local/bin/gitlab-runner"] != content {
		t.Errorf("%d bytes arrived", len(got["usr/local/bin/gitlab-runner"]))
	}
	mounts, _ := e.Container("helper").Host["Mounts"].([]any)
	for _, m := range mounts {
		if m.(map[string]any)["Type"] == "bind" {
			t.Errorf("a path of this host is mounted: %v", m)
		}
	}

	e.Always("PUT /containers/{id}/archive", fakeengine.Refuse(500, "no space left on device"))
	_, err := d.createWith(t.Context(), p, c, "helper-2", nil, engine.Image{})
	if err == nil || !strings.Contains(err.Error(), "no space left") || !strings.Contains(err.Error(), src) {
		t.Errorf("error %v", err)
	}
	for _, bad := range []string{filepath.Join(t.TempDir(), "none"), t.TempDir()} {
		c.HostFiles[0].Source = bad
		_, err = d.createWith(t.Context(), p, c, "helper-3", nil, engine.Image{})
		if err == nil || !strings.Contains(err.Error(), bad) || fault.HintOf(err) == "" {
			t.Errorf("error %v, hint %q", err, fault.HintOf(err))
		}
	}
	if e.Container("helper-3") != nil {
		t.Error("a container was made in vain")
	}
}

// The Runner may itself be a container with the engine's socket. Then a path means another
// file to the engine, or no file.
func TestAFileThatTheEngineSeesOtherwiseIsCopied(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*fakeengine.Engine){
		"nothing is there": func(e *fakeengine.Engine) {
			e.Script("POST /containers/create", fakeengine.Refuse(400, "invalid mount config for type \"bind\": bind source path does not exist: /x"))
		},
		"another file is there": func(*fakeengine.Engine) {},
	} {
		t.Run(name, func(t *testing.T) {
			p := testPlan(t)
			e, d := hereHost(t, p)
			e.AddNetwork(label.NetworkName(p.Sandbox), nil)
			prepare(e)
			src := filepath.Join(t.TempDir(), "gitlab-runner")
			if err := os.WriteFile(src, []byte("program"), 0o700); err != nil {
				t.Fatal(err)
			}
			c := p.Helper
			c.HostFiles = []plan.HostFile{{Source: src, Target: "/etc/hostname"}} // the only file that the fake engine knows
			id, err := d.createWith(t.Context(), p, c, "helper", nil, engine.Image{})
			if err != nil {
				t.Fatal(err)
			}
			if got := e.Container("helper"); got.ID != id {
				t.Errorf("the container is %s, not %s", got.ID, id)
			}
			mounts, _ := e.Container("helper").Host["Mounts"].([]any)
			if len(mounts) != 1 || e.Count("PUT /containers/{id}/archive") != 1 {
				t.Errorf("%d copies, mounts %v", e.Count("PUT /containers/{id}/archive"), mounts)
			}
		})
	}
}
