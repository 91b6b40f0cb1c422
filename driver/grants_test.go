package driver

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/fakeengine"
)

// A trial of rights leaves nothing, however it ends.
func TestRightsThatAnEngineGrantsAndRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		call   string
		answer fakeengine.Answer
		text   string
	}{
		"granted":              {"GET /_ping", nil, ""},
		"by a plugin":          {"POST /containers/create", fakeengine.Refuse(http.StatusForbidden, "authorization denied by plugin no-privileged: privileged containers are not allowed"), "the docker engine refuses a privileged container: "},
		"by a remapped engine": {"POST /containers/create", fakeengine.Refuse(http.StatusBadRequest, "privileged mode is incompatible with user namespaces. You must run the container in the host namespace when running privileged mode"), "the docker engine refuses a privileged container: "},
		"by the kernel":        {"POST /containers/{id}/start", fakeengine.Refuse(http.StatusInternalServerError, "OCI runtime create failed: mount: operation not permitted"), "the docker engine refuses a privileged container: "},
		"something else":       {"POST /containers/create", fakeengine.Refuse(http.StatusInternalServerError, "the engine is in a bad way"), "in a bad way"},
	} {
		t.Run(name, func(t *testing.T) {
			p := testPlan(t)
			e, d := fakeHost(t, p)
			e.Script(c.call, c.answer)
			before := e.Objects()
			err := d.Grants(t.Context(), p.WithPrivilege(config.PrivilegePrivileged))
			if c.text == "" && err != nil || c.text != "" && (err == nil || !strings.Contains(err.Error(), c.text)) {
				t.Errorf("error %v, want %q", err, c.text)
			}
			if strings.HasPrefix(c.text, "the docker engine refuses") && !strings.Contains(fault.HintOf(err), "sidecar.privilege") {
				t.Errorf("hint %q", fault.HintOf(err))
			}
			if left := e.Objects(); !slices.Equal(left, before) {
				t.Errorf("left %q", left)
			}
		})
	}
}

// To a sweep at the same time, the container is an orphan.
func TestRightsAreTriedAgainWhereASweepWasFaster(t *testing.T) {
	t.Parallel()
	p := testPlan(t)
	e, d := fakeHost(t, p)
	e.Script("POST /containers/{id}/start", fakeengine.Refuse(http.StatusNotFound, "No such container"), nil)
	if err := d.Grants(t.Context(), p.WithPrivilege(config.PrivilegePrivileged)); err != nil {
		t.Error(err)
	}
	if n := e.Count("POST /containers/create"); n != 2 {
		t.Errorf("%d tries, want 2", n)
	}
}

func TestRightsAreTriedWithoutNetworkAndVolumes(t *testing.T) {
	t.Parallel()
	p := testPlan(t)
	e, d := fakeHost(t, p)
	e.AddImage(p.Sidecar.Image.Name, fakeengine.Image{Volumes: []string{"/var/lib/docker"}})
	var host struct {
		HostConfig struct {
			NetworkMode string
			CapAdd      []string
			Mounts      []any
			Tmpfs       map[string]string
		}
		Labels map[string]string
	}
	e.Script("POST /containers/create", func(_ *fakeengine.Engine, w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
		if err := json.NewDecoder(r.Body).Decode(&host); err != nil {
			t.Error(err)
		}
		http.Error(w, `{"message": "enough"}`, http.StatusTeapot)
	})
	_ = d.Grants(t.Context(), p.WithPrivilege(config.PrivilegeReduced))
	h := host.HostConfig
	if h.NetworkMode != "none" || len(h.Mounts) != 0 || len(h.CapAdd) == 0 || !strings.Contains(strings.Join(slices.Collect(maps.Keys(h.Tmpfs)), " "), "/var/lib/docker") {
		t.Errorf("asked for %+v", h)
	}
	if host.Labels["gitlab-dind-executor.sandbox"] == "" {
		t.Error("a sweep would not find it")
	}
}

// The engine's clock is compared with ours, however long the answer takes.
func TestWhatAnEngineTellsOfItself(t *testing.T) {
	t.Parallel()
	p := testPlan(t)
	e, d := fakeHost(t, p)
	got, err := d.Engine(t.Context())
	if err != nil || got.Version != "27.0.0" || got.TooOld || got.OS != "linux" || got.StorageDriver != "overlay2" || got.CgroupVersion != "2" {
		t.Errorf("%+v, %v", got, err)
	}
	if got.Ahead.Abs() > got.Doubt+got.Doubt/2+1e6 {
		t.Errorf("%s ahead, give or take %s", got.Ahead, got.Doubt)
	}
	e.Always("GET /version", fakeengine.Saying(`{"Version": "19.03.15", "ApiVersion": "1.40", "Os": "linux"}`))
	e.Always("GET /info", fakeengine.Saying(`{"SystemTime": "2001-01-01T00:00:00Z", "Runtimes": {"runc": {}, "sysbox-runc": {}}, "SecurityOptions": ["name=rootless"]}`))
	got, err = d.Engine(t.Context())
	if err != nil || !got.TooOld || got.Ahead > -10*365*24*3600e9 || !slices.Equal(got.Runtimes, []string{"runc", "sysbox-runc"}) || !got.Rootless {
		t.Errorf("%+v, %v", got, err)
	}
}
