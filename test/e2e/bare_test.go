package e2e

import (
	"fmt"
	"strings"
	"testing"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// bare returns the waiting bare sandbox.
func (p *pool) bare() string {
	p.t.Helper()
	p.rest()
	var found []string
	for line := range strings.Lines(p.command("status")) {
		if f := strings.Fields(line); len(f) > 3 && f[len(f)-1] == "bare" {
			found = append(found, f[0])
		}
	}
	if len(found) != 1 {
		p.t.Fatalf("bare sandboxes %q wait, want one", found)
	}
	return found[0]
}

// The daemon and its seat share some things. Nothing of this changes a job's view: its names,
// its address, its connections in and out. The long run has daemons with fewer rights, too.
func TestAJobBeginsInABareSandboxThatWaits(t *testing.T) {
	t.Run("privileged", func(t *testing.T) {
		beginsInBare(t, "", plainJob(
			`docker info --format 'it is {{.Name}}'`, byAddress,
			login,
			`docker build -t $CI_REGISTRY_IMAGE:bare .`, `docker push $CI_REGISTRY_IMAGE:bare`,
			`docker run --rm -v $PWD:/src $CI_REGISTRY/base/busybox cat /src/Dockerfile`,
			`docker run -d -p 8080:80 $CI_REGISTRY/base/busybox httpd -f -h /etc`,
			get+`; n=0; until get http://docker:8080/hostname; do n=$((n+1)); [ $n -lt 50 ]; sleep 0.1; done; echo published`,
		), "it is dind-SANDBOX-sidecar", "\nby address linux\n", "FROM", "\npublished\n")
	})
	if !long() {
		return
	}
	for privilege, image := range map[string]string{"reduced": rig.ImageDind, "rootless": rig.ImageRootless} {
		t.Run(privilege, func(t *testing.T) {
			beginsInBare(t, fmt.Sprintf("[[policy]]\nsidecar.privilege = %q\nsidecar.image = %q\n", privilege, image), everyday(), "pushed", "published", "composed")
		})
	}
}

// beginsInBare runs a job where a bare sandbox waits. SANDBOX in says stands for this sandbox.
// Afterwards the sandbox does not wait any more.
func beginsInBare(t *testing.T, settings string, job local.Payload, says ...string) {
	p := startPool(t, "0", "bare = 1\n"+settings)
	first := p.bare()
	r, sandbox := p.run(job)
	r.succeeded().quietCleanup().says("(new daemon)")
	for _, said := range says {
		r.says(strings.ReplaceAll(said, "SANDBOX", first))
	}
	if sandbox != first {
		t.Fatalf("the job ran in %s, and %s waited", sandbox, first)
	}
	if second := p.bare(); second == first {
		t.Fatal("a sandbox that a job has had waits again")
	}
}
