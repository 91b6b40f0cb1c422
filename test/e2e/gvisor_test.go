//go:build gvisor

package e2e

import (
	"testing"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// gvisor makes the hooks read settings with sidecars in gVisor.
func gvisor(t *testing.T, more ...string) func(*local.Runner) {
	t.Helper()
	return privilege(t, "gvisor", rig.ImageDind, more...)
}

func TestGVisorBuildsAndRuns(t *testing.T) {
	p := everyday()
	p.Steps[0].Script = append(p.Steps[0].Script,
		`docker info -f 'driver {{.Driver}} kernel {{.KernelVersion}}'`,
		`docker run --rm --privileged $CI_REGISTRY/base/busybox sh -c 'mount -t tmpfs none /mnt && echo mounted'`,
		`docker run --rm -v /var/run/docker.sock:/var/run/docker.sock $CI_REGISTRY/base/busybox test -S /var/run/docker.sock && echo the socket is there`,
		`docker run --rm --memory 64m $CI_REGISTRY/base/busybox true && echo limited`,
	)
	runJob(t, p, gvisor(t)).succeeded().quietCleanup().
		says("hello from version 1.0", "\npushed\n", "Dockerfile", "\nwritten inside\n", "the file can be removed\n", "\npublished\n", "\ncomposed\n",
			"driver overlay2 kernel 4.19.0-gvisor", "\nmounted\n", "\nthe socket is there\n", "\nlimited\n")
}
