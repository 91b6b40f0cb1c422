package e2e

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

func TestTwoJobsAtOnceDoNotSeeEachOther(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	ctx, cancel := context.WithTimeout(t.Context(), jobTimeout)
	defer cancel()
	var wg sync.WaitGroup
	results := make([]ran, 2)
	for i := range results {
		// Each job leaves an image and a file, meets the other job at the registry, and looks
		// for the other's leftovers.
		mine, other := fmt.Sprintf("mine-%d", i), fmt.Sprintf("mine-%d", 1-i)
		meet := fmt.Sprintf("$CI_REGISTRY/meet/%d:%d", t.Name()[0], i)
		theirs := fmt.Sprintf("$CI_REGISTRY/meet/%d:%d", t.Name()[0], 1-i)
		p := world.Job(
			login,
			`docker pull -q $CI_REGISTRY/base/busybox`,
			fmt.Sprintf(`docker tag $CI_REGISTRY/base/busybox %s; touch ../%s`, mine, mine),
			fmt.Sprintf(`docker tag %s %s && docker push -q %s`, mine, meet, meet),
			fmt.Sprintf(`n=0; until docker pull -q %s 2>/dev/null; do n=$((n+1)); [ $n -lt 200 ]; sleep 0.1; done`, theirs),
			fmt.Sprintf(`docker images -q %s | grep . && echo sees the other daemon; ls .. | grep %s && echo sees the other files; echo looked`, other, other),
		)
		job, finish := startJob(ctx, t, p)
		wg.Go(func() { results[i] = finish(job.Wait()) })
	}
	wg.Wait()
	for _, r := range results {
		r.succeeded().quietCleanup().says("\nlooked\n").saysNot("\nsees the other")
	}
}

func TestOnlyTheSidecarIsPrivileged(t *testing.T) {
	p := world.Job(
		`mount -t tmpfs none /mnt && echo "job container can mount"`,
		`ls /dev/vda /dev/sda 2>/dev/null && echo "job container has disks"`,
		`test -S /var/run/docker.sock && echo "job container has a socket"`,
		`echo checked`,
	)
	p.Steps[0].Script = []string{strings.Join(p.Steps[0].Script, "; ")}
	runJob(t, p).succeeded().says("\nchecked\n").saysNot("\njob container")
}

func TestInnerDaemonGetsTheHostsNetworkFacts(t *testing.T) {
	p := world.Job(
		login,
		`docker network inspect bridge -f 'subnet {{(index .IPAM.Config 0).Subnet}} mtu {{index .Options "com.docker.network.driver.mtu"}}'`,
		`docker network create extra && docker network inspect extra -f 'extra {{(index .IPAM.Config 0).Subnet}}'`,
		`docker run --rm $CI_REGISTRY/base/busybox cat /etc/resolv.conf`,
		`docker run --rm -v $CI_PROJECT_DIR:/src $CI_REGISTRY/base/busybox ls /src`,
		`docker run -d -p 8080:80 $CI_REGISTRY/base/busybox httpd -f -h /etc`,
		get+`; n=0; until get http://docker:8080/hostname; do n=$((n+1)); [ $n -lt 50 ]; sleep 0.1; done`,
	)
	r := runJob(t, p).succeeded().
		says("subnet 10.232.0.0/20 mtu "+hostMTU(t), "extra 10.232.128.0/24", "Dockerfile")
	conf, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(conf), "\n") {
		if s, ok := strings.CutPrefix(line, "nameserver "); ok && !strings.HasPrefix(s, "127.") {
			r.says("nameserver " + s)
		}
	}
}

// The waiting script gives the reason. Another attempt would end alike.
func TestDindThatCannotStart(t *testing.T) {
	p := world.Job(`echo never`)
	p.Services[0].Command = []string{"--no-such-flag"}
	r := runJob(t, p).quietCleanup().
		says("error: the service's command has a flag that dockerd does not take: --no-such-flag", "unknown flag: --no-such-flag", "hint: mend the service's command").
		saysNot("\nnever")
	if r.State != local.Failed {
		t.Fatalf("the job ended as %s: the pipeline's own command has failed", r.State)
	}
}

func TestDindImageThatIsNotAllowed(t *testing.T) {
	p := images(world.Job(`echo never`), rig.ImageCLI, "registry.example.com/evil/docker:dind")
	r := runJob(t, p).quietCleanup().
		says("error: image registry.example.com/evil/docker:dind may not be the docker daemon", `add "registry.example.com/evil/docker:dind" to sidecar.allowed_images`)
	if r.State != local.Failed || r.Attempts != 1 {
		t.Fatalf("the job ended as %s after %d attempts, want failed after one", r.State, r.Attempts)
	}
}

func TestDaemonConfigOfTheImageWins(t *testing.T) {
	image := rig.DeriveWith(t, world.Engine, rig.ImageDind,
		[]rig.File{{Path: "/etc/docker/daemon.json", Mode: 0o644, Content: `{"mtu": 1380, "labels": ["baked=in"]}`}})
	p := images(world.Job(
		`docker info -f '{{.Labels}}'`,
		`docker network inspect bridge -f 'mtu {{index .Options "com.docker.network.driver.mtu"}}'`,
	), rig.ImageCLI, image)
	// The name is like the official image's, because own dind images have such names.
	p.Services[0].Name = tagged(t, image, "gitlab-dind-executor.test/docker:own-dind")
	p.Services[0].Command = []string{"--bip=10.199.0.1/24"}
	runJob(t, p).succeeded().says("baked=in", "mtu 1380")
}

func TestEverythingIsLabelled(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	before, err := rig.Snapshot(t.Context(), world.Engine)
	if err != nil {
		t.Fatal(err)
	}
	p := world.Job(`echo running; sleep 300`)
	var log *buffer
	job, finish := startJob(t.Context(), t, p, func(r *local.Runner) { log = r.Log.(*buffer) })
	log.waitFor(t, job, "\nrunning\n")
	during, err := rig.Snapshot(t.Context(), world.Engine)
	if err != nil {
		t.Fatal(err)
	}
	labels := labelsOf(t, "")
	for _, o := range during {
		if slices.Contains(before, o) {
			continue
		}
		if labels[o.Name]["gitlab-dind-executor.sandbox"] == "" || labels[o.Name]["gitlab-dind-executor.role"] == "" {
			t.Errorf("%s carries no labels of ours: %v", o, labels[o.Name])
		}
	}
	job.Cancel()
	finish(job.Wait()).quietCleanup()
}
