package e2e

import (
	"fmt"
	"strings"
	"testing"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// Many pipelines still give the password as an argument, as GitLab's documentation once did.
func TestBuildTagAndPush(t *testing.T) {
	p := world.Job(
		`docker login -u $CI_REGISTRY_USER -p $CI_REGISTRY_PASSWORD $CI_REGISTRY`,
		`docker build -t $CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA .`,
		`docker push $CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA`,
		`docker tag $CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA $CI_REGISTRY_IMAGE:latest`,
		`docker push $CI_REGISTRY_IMAGE:latest`,
	)
	r := runJob(t, p).succeeded().quietCleanup().
		says(" ready", "Login Succeeded", "tests passed", "latest: digest: sha256:").
		saysNot(world.Registry.Password, world.Git.Token)
	digest, err := world.Registry.Digest(t.Context(), "group/app", "latest")
	if err != nil {
		t.Fatal(err)
	}
	r.says("digest: " + digest)
	bySHA, err := world.Registry.Digest(t.Context(), "group/app", world.Git.SHA[:8])
	if err != nil || bySHA != digest {
		t.Fatalf("the tag of the commit has digest %s, latest has %s: %v", bySHA, digest, err)
	}
}

func TestOwnDindImageWithoutAlias(t *testing.T) {
	p := world.Job(
		`docker version --format '{{.Server.Version}}'`,
		login,
		`docker build -t my-docker-image .`,
		`docker run my-docker-image /script/to/run/tests`,
	)
	p = images(p, rig.ImageCLI, tagged(t, rig.ImageDind, world.Registry.LocalHost+"/group/project/docker:20.10.16-dind"))
	runJob(t, p, withSettings(unasked(t))).succeeded().quietCleanup().says(" ready", "tests passed").saysNot("pulling")
}

func TestImagesAreFetchedWithTheJobsCredentials(t *testing.T) {
	if err := world.Registry.Push(t.Context(), world.Engine, rig.ImageBusybox, "group/tools/sh:1"); err != nil {
		t.Fatal(err)
	}
	// The engine trusts a registry at a loopback address.
	name := world.Registry.LocalHost + "/group/tools/sh:1"
	t.Cleanup(func() { removeImage(t, name) })

	p := images(world.Job(`echo "in $0 of busybox"`), name, rig.ImageDind)
	digest, err := world.Registry.Digest(t.Context(), "group/tools/sh", "1")
	if err != nil {
		t.Fatal(err)
	}
	runJob(t, p).succeeded().says("pulling "+name, "pulled "+name, digest, " ready", "of busybox")

	// The job does the same with its own DOCKER_AUTH_CONFIG alone.
	p.Credentials = nil
	p.Image.PullPolicy = []string{"always"}
	p.Variables = append(p.Variables, local.Variable{Key: "DOCKER_AUTH_CONFIG", Masked: true, Value: fmt.Sprintf(
		`{"auths": {%q: {"username": %q, "password": %q}}}`, world.Registry.LocalHost, world.Registry.User, world.Registry.Password)})
	runJob(t, p).succeeded().says("using "+name+", ").saysNot(digest, "pulling", "registry 127.0.0.1", world.Registry.Password)

	p = images(world.Job(`true`), world.Registry.LocalHost+"/group/tools/none:1", rig.ImageDind)
	r := runJob(t, p).says("error: pulling image "+p.Image.Name, "hint: check the image's name and tag")
	if r.State != local.Failed || r.Attempts != 1 {
		t.Fatalf("a missing image ended as %s after %d attempts, want failed after one", r.State, r.Attempts)
	}
}

func TestLoginByStdin(t *testing.T) {
	p := world.Job(
		`echo "$CI_REGISTRY_PASSWORD" | docker login $CI_REGISTRY -u $CI_REGISTRY_USER --password-stdin`,
		`docker build -t $IMAGE_TAG .`,
		`docker push $IMAGE_TAG`,
	)
	lab.Set(&p, "IMAGE_TAG", "$CI_REGISTRY_IMAGE:$CI_COMMIT_REF_SLUG")
	runJob(t, p).succeeded().says("Login Succeeded", "main: digest: sha256:")
}

func TestPlaintextHabitIsHonouredWithAWarning(t *testing.T) {
	p := world.Job(`docker info`, `docker build -t my-docker-image -f - . <<E
FROM scratch
COPY README.md /
E`)
	lab.Set(&p, "DOCKER_HOST", "tcp://docker:2375")
	lab.Set(&p, "DOCKER_TLS_CERTDIR", "")
	lab.Set(&p, "DOCKER_DRIVER", "overlay2")
	runJob(t, p).succeeded().quietCleanup().
		says("warning: the docker daemon of this job listens without TLS", " ready", "Storage Driver: overlay") // overlay2, or overlayfs in containerd
}

func TestNothingDeclared(t *testing.T) {
	p := world.Job(
		login,
		`docker build -t $CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA .`,
		`docker run --rm -v "$CI_PROJECT_DIR:/src" $CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA ls /src/Dockerfile`,
	)
	p.Image, p.Services = local.Image{}, nil
	runJob(t, p).succeeded().quietCleanup().says("\n/src/Dockerfile\n")
}

func TestDindImageFromBefore2023KeepsOurCertificates(t *testing.T) {
	p := images(world.Job(`docker version`, `echo "CA: $(md5sum < /certs/client/ca.pem)"`), rig.ImageCLI, rig.ImageOldDind)
	r := runJob(t, p).succeeded().quietCleanup().says(" ready", "Server:", "CA: ")
	if strings.Contains(r.log, "Cannot connect") {
		t.Fatal("the daemon could not be reached")
	}
}
