package e2e

import (
	"strings"
	"testing"
)

// bare is the bare sandbox that waits.
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

// What the daemon shares with its seat changes nothing that a job sees: its names, its
// address, what reaches it and what it reaches.
func TestAJobBeginsInABareSandboxThatWaits(t *testing.T) {
	p := startPool(t, "0", "bare = 1\n")
	first := p.bare()
	r, sandbox := p.run(plainJob(
		`docker info --format 'it is {{.Name}}'`, byAddress,
		`docker login -u $CI_REGISTRY_USER -p $CI_REGISTRY_PASSWORD $CI_REGISTRY`,
		`docker build -t $CI_REGISTRY_IMAGE:bare .`, `docker push $CI_REGISTRY_IMAGE:bare`,
		`docker run --rm -v $PWD:/src $CI_REGISTRY/base/busybox cat /src/Dockerfile`,
		`docker run -d -p 8123:8123 $CI_REGISTRY/base/busybox sh -c 'while :; do echo published | nc -l -p 8123; done'`,
		`for i in 1 2 3 4 5 6 7 8 9; do bash -c 'exec 3<>/dev/tcp/docker/8123 && cat <&3' && break; sleep 0.2; done`,
	))
	r.succeeded().quietCleanup().says("(cold)", "it is dind-"+first+"-sidecar", "\nby address linux\n", "FROM", "\npublished\n")
	if sandbox != first {
		t.Fatalf("the job ran in %s, and %s waited", sandbox, first)
	}
	if second := p.bare(); second == first {
		t.Fatal("a sandbox that a job has had waits again")
	}
}
