//go:build gvisor

package e2e

import (
	"strings"
	"testing"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// gVisor's runtime under another privilege gives no capabilities. The settings are at fault,
// whatever the pipeline says of its daemon, and the hint names the right privilege.
func TestGVisorsRuntimeWantsItsPrivilege(t *testing.T) {
	p := world.Job(`echo never`)
	p.Services[0].Command = []string{"--debug"}
	r := runJob(t, p, privilege(t, "runtime", rig.ImageDind, `sidecar.runtime = "runsc"`)).quietCleanup().
		says("error: the docker daemon of this job has no capabilities from its runtime", `sets "gvisor" (docs/gvisor.md)`).saysNot("\nnever")
	if r.State != local.SystemFailure {
		t.Errorf("the job ended as %s, want a system failure", r.State)
	}
}

// doctor tries a sandbox in gVisor, whether all jobs have gVisor or only those of a policy.
func TestGVisorIsTriedByDoctor(t *testing.T) {
	for name, c := range map[string]struct{ privilege, settings, privileges, tried string }{
		"all jobs": {
			"gvisor", "[gvisor]\nsize = \"1g\"\n[limits.sidecar]\nmemory = \"3g\"\n",
			"ok       privilege: gvisor is allowed; so would be privileged", "ok       sandbox: docker ",
		},
		"a policy's": {
			"privileged", "[gvisor]\nsize = \"1g\"\n[[policy]]\nprojects = [\"others/*\"]\nsidecar.privilege = \"gvisor\"\n",
			"ok       privilege: privileged and gvisor are allowed", "and no layers, docker ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(lab.Privilege, c.privilege)
			settings, err := world.WriteSettings("doctor-"+c.privilege+".toml", c.settings)
			if err != nil {
				t.Fatal(err)
			}
			said, code := doctor(t, settings)
			tried := false
			for line := range strings.SplitSeq(said, "\n") {
				tried = tried || strings.Contains(line, c.tried) && strings.Contains(line, "(gvisor) up in ")
			}
			if code > 1 || !tried || !strings.Contains(said, c.privileges) ||
				!strings.Contains(said, `ok       gvisor: by the engine's runtime "runsc"; each sandbox keeps up to 1 GB in memory, and no layers`) {
				t.Errorf("doctor ends with %d and says:\n%s", code, said)
			}
		})
	}
}
