package e2e

import (
	"strings"
	"testing"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

func TestBuildTagAndPush(t *testing.T) {
	p := world.Job(
		`docker login -u $CI_REGISTRY_USER -p $CI_REGISTRY_PASSWORD $CI_REGISTRY`,
		`docker build -t $CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA .`,
		`docker push $CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA`,
		`docker tag $CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA $CI_REGISTRY_IMAGE:latest`,
		`docker push $CI_REGISTRY_IMAGE:latest`,
	)
	r := runJob(t, p).succeeded().quietCleanup().
		says("ready in", "Login Succeeded", "tests passed", "latest: digest: sha256:").
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
	if err := world.Registry.Push(t.Context(), world.Engine, rig.ImageDind, "group/project/docker:20.10.16-dind"); err != nil {
		t.Fatal(err)
	}
	p := world.Job(
		`docker version --format '{{.Server.Version}}'`,
		`docker login -u $CI_REGISTRY_USER -p $CI_REGISTRY_PASSWORD $CI_REGISTRY`,
		`docker build -t my-docker-image .`,
		`docker run my-docker-image /script/to/run/tests`,
	)
	// The engine trusts a registry at a loopback address; the image is not on
	// this host, and the registry demands the job's credentials.
	p = images(p, rig.ImageCLI, world.Registry.LocalHost+"/group/project/docker:20.10.16-dind")
	t.Cleanup(func() { removeImage(t, p.Services[0].Name) })
	runJob(t, p).succeeded().quietCleanup().
		says("pulling "+p.Services[0].Name, "pulled "+p.Services[0].Name, "sha256:", "ready in", "tests passed")
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
		says("warning: the docker daemon of this job listens without TLS", "ready in", "Storage Driver: overlay2")
}

func TestNothingDeclared(t *testing.T) {
	p := world.Job(
		`docker login -u $CI_REGISTRY_USER -p $CI_REGISTRY_PASSWORD $CI_REGISTRY`,
		`docker build -t $CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA .`,
		`docker run --rm -v "$CI_PROJECT_DIR:/src" $CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA ls /src/Dockerfile`,
	)
	p.Image, p.Services = local.Image{}, nil
	runJob(t, p).succeeded().quietCleanup().says("\n/src/Dockerfile\n")
}

func TestDindImageFromBefore2023KeepsOurCertificates(t *testing.T) {
	p := images(world.Job(`docker version`, `echo "CA: $(md5sum < /certs/client/ca.pem)"`), rig.ImageCLI, rig.ImageOldDind)
	r := runJob(t, p).succeeded().quietCleanup().says("ready in", "Server:", "CA: ")
	if strings.Contains(r.log, "Cannot connect") {
		t.Fatal("the daemon could not be reached")
	}
}
