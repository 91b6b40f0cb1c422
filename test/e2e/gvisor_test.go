//go:build gvisor

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/versions"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// gvisor makes the hooks read settings with sidecars in gVisor.
func gvisor(t *testing.T, more ...string) func(*local.Runner) {
	t.Helper()
	return privilege(t, "gvisor", rig.ImageDind, more...)
}

// gvisorTable is gvisor with lines outside of the policy.
func gvisorTable(t *testing.T, more string) func(*local.Runner) {
	t.Helper()
	path, err := world.WriteSettings("gvisor.toml", more+"\n[[policy]]\nsidecar.privilege = \"gvisor\"\n")
	if err != nil {
		t.Fatal(err)
	}
	return withSettings(path)
}

func TestGVisorBuildsAndRuns(t *testing.T) {
	const privileged, not = "\nmounted\n", "\nno privileged containers\n"
	for _, dind := range []struct{ image, driver, privileged string }{
		{rig.ImageDind, "overlay2", privileged},
		{"gitlab-dind-executor.test/docker:forky-dind", "overlay2", privileged},
		{"gitlab-dind-executor.test/docker:containerd-dind", "overlayfs", privileged},
		{"gitlab-dind-executor.test/docker:bookworm-dind", "overlay2", not}, // 20.10 asks for capabilities that the sidecar does not have
	} {
		t.Run(dind.image, func(t *testing.T) {
			p := everyday()
			p.Steps[0].Script = append(p.Steps[0].Script,
				`docker info -f 'driver {{.Driver}} kernel {{.KernelVersion}}'`,
				`docker run --rm --privileged $CI_REGISTRY/base/busybox sh -c 'mkdir /m && mount -t tmpfs none /m && echo mounted' || echo no privileged containers`,
				`docker run --rm -v /var/run/docker.sock:/var/run/docker.sock $CI_REGISTRY/base/busybox test -S /var/run/docker.sock && echo the socket is there`,
				`docker run --rm --memory 64m $CI_REGISTRY/base/busybox true && echo limited`,
				`DOCKER_BUILDKIT=0 docker build -q -t classic . && docker run --rm classic && docker run --name one classic && docker cp one:/etc/hostname . && docker commit one made && echo committed`,
			)
			runJob(t, p, privilege(t, "gvisor", dind.image)).succeeded().quietCleanup().
				says("hello from version 1.0", "\npushed\n", "Dockerfile", "\nwritten inside\n", "the file can be removed\n", "\npublished\n", "\ncomposed\n",
					"driver "+dind.driver+" kernel ", "gvisor", dind.privileged, "\nthe socket is there\n", "\nlimited\n", "\ncommitted\n")
		})
	}
}

// Names are known in the sidecar, in containers on its network, and on the default bridge. On
// the job's own networks dockerd answers only for the containers there, whatever the privilege.
func TestGVisorKnowsNames(t *testing.T) {
	p := world.Job(login,
		`docker pull -q $CI_REGISTRY/base/busybox && docker network create own`,
		`docker run -d --name web --network own $CI_REGISTRY/base/busybox httpd -f -h /etc`,
		`for net in host bridge; do for name in cache docker; do docker run --rm --network $net $CI_REGISTRY/base/busybox nslookup -type=a $name | grep -A1 "^Name:.*$name" >/dev/null && echo "$net: $name"; done; done`,
		`docker run --rm --network own $CI_REGISTRY/base/busybox wget -qO- http://web/hostname >/dev/null && echo "own: web"`,
		`docker run --rm $CI_REGISTRY/base/busybox sh -c 'echo PING | nc -w 5 cache 6379'`,
	)
	p.Services = append(p.Services, local.Image{Name: rig.ImageRedis, Alias: "cache"})
	runJob(t, p, gvisor(t)).succeeded().quietCleanup().
		says("\nhost: cache\nhost: docker\nbridge: cache\nbridge: docker\n", "\nown: web\n", "+PONG")
}

// A single host runs jobs of protected refs with all rights, and all others in gVisor.
func TestGVisorByPolicy(t *testing.T) {
	const policies = "[[policy]]\nname = \"trusted\"\nprojects = [\"group/*\"]\nprotected = true\nsidecar.privilege = \"privileged\"\n" +
		"[[policy]]\nname = \"others\"\nsidecar.privilege = \"gvisor\"\n"
	path, err := world.WriteSettings("gvisor-policies.toml", policies)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(protected bool) ran {
		p := world.Job(`docker info -f 'kernel {{.KernelVersion}}'`)
		p.GitInfo.Protected = &protected
		return runJob(t, p, withSettings(path)).succeeded().quietCleanup()
	}
	ask(true).says("\nkernel ").saysNot("gvisor")
	ask(false).says("\nkernel ", "gvisor")
}

// The job log names a full data root, and a sidecar out of memory.
func TestGVisorNamesItsBounds(t *testing.T) {
	p := world.Job(login, `printf 'FROM %s\nRUN dd if=/dev/zero of=/big bs=1M count=700\n' $CI_REGISTRY/base/busybox | docker build - 2>&1 || exit 9`)
	runJob(t, p, gvisorTable(t, "[gvisor]\nsize = \"512m\"\n")).failedWith(9).quietCleanup().
		says("No space left on device", "diagnosis: a disk is full; that of this job's docker daemon holds 512 MB", "hint: make builds smaller, or ask the runner's admin to raise gvisor.size")

	p = world.Job(login, `docker run --rm --tmpfs /m:size=2g $CI_REGISTRY/base/busybox dd if=/dev/zero of=/m/big bs=1M count=1400 || exit 9`)
	r := runJob(t, p, gvisorTable(t, "[gvisor]\nsize = \"512m\"\n[limits.sidecar]\nmemory = \"1g\"\n")).quietCleanup().
		says("ran out of memory", "limits.sidecar.memory").saysNot("1400+0 records out")
	if r.State != local.Failed {
		t.Errorf("the job ended as %s", r.State)
	}
}

// A data root in a file needs an engine that hands annotations on. An older engine is refused,
// because layers on its disk would be wrong without a word.
func TestGVisorKeepsADataRootInAFile(t *testing.T) {
	stored := gvisorTable(t, "[gvisor]\nstorage = \"file\"\nsize = \"1g\"\n")
	version, err := world.Engine.ServerVersion(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if versions.LessThan(version.APIVersion, "1.43") {
		r := runJob(t, world.Job(`echo never`), stored).quietCleanup().
			says("gvisor.storage is \"file\": the engine hands no annotations to a runtime", `hint: set it to "memory"`).saysNot("\nnever")
		if r.State != local.SystemFailure {
			t.Errorf("the job ended as %s, want a system failure", r.State)
		}
		return
	}
	p := everyday()
	p.Steps[0].Script = append(p.Steps[0].Script,
		`docker run --rm -v /var/lib/docker:/data $CI_REGISTRY/base/busybox df /data | tail -n 1`,
		`printf 'FROM %s\nRUN dd if=/dev/zero of=/big bs=1M count=1200\n' $CI_REGISTRY/base/busybox | docker build - 2>&1 || exit 9`)
	runJob(t, p, stored).failedWith(9).quietCleanup().
		says("hello from version 1.0", "\npushed\n", "\nwritten inside\n", "\npublished\n", "\ncomposed\n", " 1048576 ",
			"No space left on device", "diagnosis: a disk is full; that of this job's docker daemon holds 1 GB")
}

// All ways out with a proof are closed. The files that open there belong to the sandbox's
// kernel: no process of the host has the host's file open.
func TestGVisorKnownEscapes(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	ctx, cancel := context.WithTimeout(t.Context(), jobTimeout)
	defer cancel()
	script := everyRung(hostFacts(t) + " -daemon 127.0.0.1:1")
	r := runJobUnchecked(t, withProbe(t, script...), gvisor(t)).succeeded()
	_, results := verdicts(r.log)
	t.Logf("%s", strings.Join(probeLines(r.log), "\n"))
	files := map[string]string{"sysrq-trigger": "/proc/sysrq-trigger", "devices.allow": "/sys/fs/cgroup/devices/devices.allow"}
	var held []string
	for way, verdict := range results {
		switch {
		case verdict == "":
			t.Errorf("%s: was not tried", way)
		case verdict != "open":
		case files[way] == "":
			t.Errorf("%s: is open", way)
		default:
			held = append(held, files[way])
		}
	}
	if len(results) < 10 {
		t.Fatalf("only %d ways were tried", len(results))
	}
	slices.Sort(held)

	// The last path is harmless. It opens in any case, so the test can wait for it.
	held = append(held, "/proc/self/comm")
	var log *buffer
	p := withProbe(t, fmt.Sprintf(`docker run --rm -i --privileged -v $PWD:/x $CI_REGISTRY/base/busybox sh -c 'sleep 100000 | /x/probe hold %s'`, strings.Join(held, " ")))
	job, finish := startJob(ctx, t, p, gvisor(t), func(r *local.Runner) { log = r.Log.(*buffer) })
	for _, path := range held {
		log.waitFor(t, job, "\nprobe: hold "+path+": open\n")
	}
	sources, processes := false, 0
	for _, exe := range globs(t, "/proc/[0-9]*/exe") {
		program, err := os.Readlink(exe)
		if err != nil || !strings.HasPrefix(filepath.Base(program), "runsc") {
			continue
		}
		processes++
		for _, fd := range globs(t, filepath.Join(filepath.Dir(exe), "fd/*")) {
			file, _ := os.Readlink(fd)
			sources = sources || strings.HasPrefix(file, "/root/builds") // gVisor has mounted files below /root/builds
			for _, path := range held {
				if filepath.Base(file) == filepath.Base(path) {
					t.Errorf("%s has %s of the host open", filepath.Dir(exe), file)
				}
			}
		}
	}
	// The search finds the job's files of the host, so it would find others, too.
	if processes == 0 || !sources {
		t.Errorf("%d processes of gVisor were found on this host, and that one has the job's sources open: %t", processes, sources)
	}
	job.Cancel()
	finish(job.Wait())
}

func globs(t *testing.T, pattern string) []string {
	t.Helper()
	list, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// Only gVisor gets the rights of a sidecar in gVisor, no other runtime.
func TestGVisorIsNoOtherRuntime(t *testing.T) {
	r := runJob(t, world.Job(`echo never`), gvisor(t, `sidecar.runtime = "bounded"`)).quietCleanup().
		says("the runtime of this sidecar is not gVisor").saysNot("\nnever")
	if r.State != local.SystemFailure {
		t.Errorf("the job ended as %s, want a system failure", r.State)
	}
}

func TestGVisorThatTheEngineLacks(t *testing.T) {
	r := runJob(t, world.Job(`echo never`), gvisor(t, `sidecar.runtime = "no-such-runsc"`)).quietCleanup().
		says(`error: the engine has no runtime "no-such-runsc"`, "docs/gvisor.md").saysNot("\nnever")
	if r.State != local.SystemFailure {
		t.Errorf("the job ended as %s, want a system failure", r.State)
	}
}
