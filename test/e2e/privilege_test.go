package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// privilege makes the hooks read settings with the given sidecar.privilege.
func privilege(t *testing.T, privilege, image string, more ...string) func(*local.Runner) {
	t.Helper()
	policy := fmt.Sprintf("[[policy]]\nsidecar.privilege = %q\nsidecar.image = %q\n", privilege, image)
	for _, line := range more {
		policy += line + "\n"
	}
	path, err := world.WriteSettings("privilege-"+privilege+".toml", policy)
	if err != nil {
		t.Fatal(err)
	}
	return withSettings(path)
}

// everyday has the usual commands of pipelines to their daemon.
func everyday() local.Payload {
	p := world.Job(
		login,
		`docker build -q -t $CI_REGISTRY_IMAGE:privilege .`,
		`docker run --rm $CI_REGISTRY_IMAGE:privilege`,
		`docker push -q $CI_REGISTRY_IMAGE:privilege && echo pushed`,
		`docker run --rm -v $PWD:/x $CI_REGISTRY_IMAGE:privilege sh -c 'ls /x; echo written inside > /x/made'`,
		`cat made && rm made && echo the file can be removed`,
		`docker run -d -p 8080:80 $CI_REGISTRY/base/busybox httpd -f -h /etc`,
		get+`; n=0; until get http://docker:8080/hostname; do n=$((n+1)); [ $n -lt 50 ]; sleep 0.1; done; echo published`,
		`printf 'services:\n  web: {image: "%s", stop_grace_period: 0s, command: httpd -f -h /etc}\n  ask: {image: "%s", depends_on: [web], command: sh -c "until wget -qO- web/hostname; do sleep 0.1; done"}\n' $CI_REGISTRY/base/busybox $CI_REGISTRY/base/busybox > compose.yaml`,
		`docker compose up --quiet-pull -t 0 --abort-on-container-exit --exit-code-from ask && docker compose down -t 0 && echo composed`,
	)
	p.Services = nil
	return p
}

func TestReducedSidecarBuildsAndRuns(t *testing.T) {
	runJob(t, everyday(), privilege(t, "reduced", rig.ImageDind)).succeeded().quietCleanup().
		says("hello from version 1.0", "\npushed\n", "Dockerfile", "\nwritten inside\n", "the file can be removed\n", "\npublished\n", "\ncomposed\n")
}

func TestRootlessSidecarBuildsAndRuns(t *testing.T) {
	p := everyday()
	p.Services = []local.Image{{Name: rig.ImageDind}} // as pipelines have it
	p.Steps[0].Script = append(p.Steps[0].Script,
		`docker run --rm -v /var/run/docker.sock:/var/run/docker.sock $CI_REGISTRY/base/busybox test -S /var/run/docker.sock && echo the socket is there`,
		`docker info -f 'security {{.SecurityOptions}} driver {{.Driver}}'`,
		`docker network inspect bridge -f 'subnet {{(index .IPAM.Config 0).Subnet}}'`,
		// According to docs/security.md these fail.
		`docker run --rm --privileged $CI_REGISTRY/base/busybox true || echo no privileged containers`,
		`docker run --rm -v $PWD:/x $CI_REGISTRY/base/busybox chown 7:7 /x/app.sh || echo no other owners`,
		`mkdir out && docker run --rm -v $PWD/out:/x $CI_REGISTRY/base/busybox touch /x/file || echo no files where only root may write`,
		`chmod 777 out && docker run --rm -v $PWD/out:/x $CI_REGISTRY/base/busybox touch /x/file && echo files where all may write`,
		// A container has no limit of its own, and all containers together have the sidecar's
		// limit. tail holds a line until the line's end.
		`docker run --rm --memory 24m $CI_REGISTRY/base/busybox sh -c 'head -c 64m /dev/zero | tail | wc -c'`,
		`docker run --rm --memory 8g $CI_REGISTRY/base/busybox sh -o pipefail -c 'head -c 640m /dev/zero | tail | wc -c' || echo "no more than the sidecar has: $?"`,
	)
	runJob(t, p, privilege(t, "rootless", rig.ImageRootless, `limits.sidecar.memory = "384m"`)).succeeded().quietCleanup().
		says(rig.ImageRootless+" serves in the place of "+rig.ImageDind,
			"hello from version 1.0", "\npushed\n", "Dockerfile", "\nwritten inside\n", "the file can be removed\n", "\npublished\n", "\ncomposed\n",
			"\nthe socket is there\n", "name=rootless", "driver overlay", "subnet 10.232.0.0/20",
			"\nno privileged containers\n", "\nno other owners\n", "\nno files where only root may write\n", "\nfiles where all may write\n",
			"\n67108864\n", "\nno more than the sidecar has: 137\n").saysNot("\n671088640\n")
}

func TestRootlessSidecarNeedsARootlessImage(t *testing.T) {
	p := world.Job(`echo never`)
	p.Services = []local.Image{{Name: rig.ImageCLI, Alias: "docker"}}
	r := runJob(t, p, privilege(t, "rootless", rig.ImageRootless)).quietCleanup().
		says("error: image "+rig.ImageCLI+" is no rootless dind image", "hint: use docker:dind-rootless").saysNot("\nnever")
	if r.State != local.Failed || r.Attempts != 1 {
		t.Fatalf("the job ended as %s after %d attempts, want failed after one", r.State, r.Attempts)
	}
}

func TestRuntimeThatTheEngineLacks(t *testing.T) {
	p := world.Job(`echo never`)
	r := runJob(t, p, privilege(t, "runtime", rig.ImageDind, `sidecar.runtime = "no-such-runtime"`)).quietCleanup().
		says(`error: the engine has no runtime "no-such-runtime"`, "hint: install it").saysNot("\nnever")
	if r.State != local.SystemFailure {
		t.Fatalf("the job ended as %s, want a system failure", r.State)
	}
}

func TestNoNewPrivileges(t *testing.T) {
	path, err := world.WriteSettings("no-new-privileges.toml", "")
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for setting, want := range map[string]string{"": "NoNewPrivs:\t0", "no_new_privileges = true": "NoNewPrivs:\t1"} {
		changed := strings.Replace(string(content), "[job]\n", "[job]\n"+setting+"\n", 1)
		if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		runJob(t, world.Job(`grep NoNewPrivs /proc/self/status`), withSettings(path)).succeeded().says(want)
	}
}
