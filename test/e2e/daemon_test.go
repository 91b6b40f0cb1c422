package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// changedSettings makes the hooks read the lab's settings with insertions, which are pairs of
// texts. The second text goes behind the first, or to the end if the first is "".
func changedSettings(t *testing.T, insertions ...string) func(*local.Runner) {
	t.Helper()
	b, err := os.ReadFile(world.Settings)
	if err != nil {
		t.Fatal(err)
	}
	s := string(b)
	for i := 0; i < len(insertions); i += 2 {
		after, text := insertions[i], insertions[i+1]
		if after == "" {
			s += text + "\n"
			continue
		}
		if !strings.Contains(s, after) {
			t.Fatalf("the settings lack %q", after)
		}
		s = strings.Replace(s, after, after+text, 1)
	}
	path := filepath.Join(t.TempDir(), "dind.toml")
	if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
		t.Fatal(err)
	}
	return withSettings(path)
}

// A single registry, whose CA nobody knows, is both in turn.
func TestInsecureRegistryAndMirrorOfTheDockerHub(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	mirror, err := rig.StartRegistry(t.Context(), world.Engine, "mirror.rig.test", rig.RegistryOptions{Anonymous: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := mirror.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := mirror.Push(t.Context(), world.Engine, rig.ImageBusybox, "library/busybox:latest"); err != nil {
		t.Fatal(err)
	}
	settings := changedSettings(t,
		"[sidecar]\n", "registry_mirrors = [\"https://"+mirror.Host+"\"]\n",
		"extra_hosts = [", "\"mirror.rig.test:"+mirror.Addr.String()+"\", ",
		"", "[registry.\""+mirror.Host+"\"]\ninsecure = true",
	)
	p := world.Job(
		`docker pull `+mirror.Host+`/library/busybox`,
		`docker pull busybox && docker run --rm busybox echo "from the mirror"`,
		`printf 'FROM busybox\nRUN echo built on "$(hostname)"\n' | docker build -`,
	)
	runJob(t, p, settings).succeeded().says("from the mirror", "built on")
}

func TestNetworksThatAJobMakesHaveTheMTU(t *testing.T) {
	p := world.Job(login,
		`docker network create x && docker network inspect x -f 'option {{index .Options "com.docker.network.driver.mtu"}}'`,
		`docker run --rm --network x $CI_REGISTRY/base/busybox sh -c 'echo "eth0 $(cat /sys/class/net/eth0/mtu)"'`,
		`cat /sys/class/net/eth0/mtu`,
	)
	runJob(t, p, changedSettings(t, "[network]\n", "mtu = 1380\n")).succeeded().says("option 1380", "eth0 1380", "\n1380\n")
}

// The docker command looks a manifest up by itself, not by its daemon. The image's own CAs
// stay, and any user of the image can read them.
func TestJobKnowsTheCAsOfRegistries(t *testing.T) {
	p := world.Job(login, `docker manifest inspect $CI_REGISTRY/base/busybox | grep -c sha256`, `ls /etc/docker/certs.d/$CI_REGISTRY`,
		`cat /etc/docker/certs.d/own:5000/ca.crt`, `setpriv --reuid=1000 --regid=1000 --clear-groups cat /etc/docker/certs.d/$CI_REGISTRY/ca.crt`)
	p.Image.Name = rig.DeriveWith(t, world.Engine, rig.ImageCLI, []rig.File{{Path: "/etc/docker/certs.d/own:5000/ca.crt", Content: "the image's own\n"}})
	runJob(t, p).succeeded().says("\nca.crt\n", "\nthe image's own\n", "BEGIN CERTIFICATE")
}

func TestStorageDriverOfAPipeline(t *testing.T) {
	for name, c := range map[string]struct {
		job, service string
		says         []string
	}{
		"a job's that works": {job: "vfs", says: []string{"driver vfs"}},
		"a service's that docker has no more": {service: "aufs", says: []string{
			"warning: DOCKER_DRIVER=aufs is ignored: docker", " ready", "driver overlay2",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p := world.Job(`docker info -f 'driver {{.Driver}}'`)
			if c.job != "" {
				lab.Set(&p, "DOCKER_DRIVER", c.job)
			}
			if c.service != "" {
				p.Services[0].Variables = []local.Variable{{Key: "DOCKER_DRIVER", Value: c.service, Public: true}}
			}
			runJob(t, p).succeeded().says(c.says...)
		})
	}
}

func TestPlaintextByTheServicesCommandStartsAtOnce(t *testing.T) {
	for name, command := range map[string][]string{
		"flags":           {"--tls=false", "--host=tcp://0.0.0.0:2375"},
		"a whole command": {"dockerd", "--host=tcp://0.0.0.0:2375", "--tls=false"},
	} {
		t.Run(name, func(t *testing.T) {
			p := world.Job(`docker version -f 'server {{.Server.Os}} at '$DOCKER_HOST`)
			p.Services[0].Command = command
			lab.Set(&p, "CI_DEBUG_SERVICES", "true")
			r := runJob(t, p).succeeded().says("since the dind service's command asks for it").says("server linux at tcp://docker:2375")
			// The daemon warns that it is insecure. Without an explicit intent it would also
			// wait for 15 s and say so.
			r.says("Binding to an IP address").saysNot("explicit intent to run without authentication")
		})
	}
}

func TestPlaintextThatIsForbidden(t *testing.T) {
	p := world.Job(`echo never`)
	lab.Set(&p, "DOCKER_TLS_CERTDIR", "")
	r := runJob(t, p, changedSettings(t, "[sidecar]\n", "plaintext = \"forbid\"\n")).quietCleanup().
		says("error: the docker daemon of this job would listen without TLS", `hint: take DOCKER_TLS_CERTDIR: "" out`).saysNot("\nnever")
	if r.State != local.Failed || r.Attempts != 1 {
		t.Fatalf("the job ended as %s after %d attempts, want failed after one", r.State, r.Attempts)
	}
}

func TestClientCertificatesInOtherPlaces(t *testing.T) {
	p := world.Job(
		`ls /other/client /my/certs`,
		`docker version -f 'server {{.Server.Os}}'`,
		`DOCKER_CERT_PATH=/other/client docker version -f 'again {{.Server.Os}}'`,
		// Clients that know RSA alone need such a key.
		`grep -c 'BEGIN RSA PRIVATE KEY' /my/certs/key.pem; openssl rsa -in /other/client/key.pem -noout -check`,
		byAddress,
	)
	lab.Set(&p, "DOCKER_TLS_CERTDIR", "/other")
	lab.Set(&p, "DOCKER_CERT_PATH", "/my/certs")
	lab.Set(&p, "DIND_CLIENT_KEY", "rsa")
	runJob(t, p).succeeded().says("ca.pem", "key.pem", "/other/client:", "ca.pem", "server linux", "again linux", "\n1\nRSA key ok\n", "by address linux\n")
}

// byAddress asks the daemon of a job by the address of its sidecar.
const byAddress = `DOCKER_HOST="tcp://$(getent hosts docker | cut -d' ' -f1):2376" docker version -f 'by address {{.Server.Os}}'`
