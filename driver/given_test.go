package driver

import (
	"net/http"
	"strings"
	"testing"

	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/fakeengine"
)

// If an engine refuses something of the settings, prepare fails with the setting's name.
// The fault is not the pipeline's, and nothing is left.
func TestWhatAnEngineRefusesOfTheSettings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		call, of, message string
		status            int
		hint              string
	}{
		"a directory that is not there": {
			"POST /containers/create", "service", `invalid mount config for type "bind": bind source path does not exist: /srv/nope`, 400, "services.volumes",
		},
		"another one, of the job": {
			"POST /containers/create", "job", `invalid mount config for type "bind": bind source path does not exist: /srv/nope`, 400, "job.volumes",
		},
		"CPUs that are not there": {
			"POST /containers/create", "job", "Requested CPUs are not available - requested 77, available: 0-1", 400, "limits.job",
		},
		"something else that is wrong": {"POST /containers/create", "job", "invalid option", 400, "what job of the settings gives"},
		"a parameter of another kernel": {
			"POST /containers/{id}/start", "service", "OCI runtime create failed: open /proc/sys/net/core/nope: no such file or directory", 500, "sysctls",
		},
		"GPUs without a toolkit": {
			"POST /containers/{id}/start", "service", `could not select device driver "" with capabilities: [[gpu]]`, 500, "toolkit",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := testPlan(t)
			given := plan.Extras{Binds: []plan.Bind{{Source: "/srv/nope", Target: "/x"}}, Sysctls: map[string]string{"net.core.nope": "1"}}
			p.Job.Extras, p.Services[0].Extras = given, given
			p.Services[0].Rights.GPUs = &plan.GPUs{Count: -1}
			e, d := fakeHost(t, p)
			e.Always(c.call, func(e *fakeengine.Engine, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
				if !strings.Contains(nameIn(e, r), "-"+c.of) {
					next(w, r)
					return
				}
				fakeengine.Refuse(c.status, c.message)(e, w, r, next)
			})
			_, err := d.Prepare(t.Context(), p, quiet)
			if err == nil || fault.IsOfJob(err) || !strings.Contains(fault.HintOf(err), c.hint) {
				t.Errorf("%v (of the job: %t; hint: %s), want %s", err, fault.IsOfJob(err), fault.HintOf(err), c.hint)
			}
			if err := d.Cleanup(t.Context(), p.Claim.Job); err != nil {
				t.Error(err)
			}
			if left := e.Objects(); len(left) > 0 {
				t.Errorf("left: %q", left)
			}
		})
	}
}

// nameIn returns the name of the container in a call.
func nameIn(e *fakeengine.Engine, r *http.Request) string {
	for _, c := range e.Containers() {
		if id := r.PathValue("id"); id != "" && c.ID == id {
			return c.Name
		}
	}
	return r.URL.Query().Get("name")
}
