package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/fstest"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// commitPipelineFiles adds the files that the pipelines of GitLab's documentation expect in a
// repository. It returns the commit.
func commitPipelineFiles(t *testing.T) string {
	t.Helper()
	sha, err := world.Git.Commit(t.Context(), fstest.MapFS{
		"Dockerfile": {Mode: 0o644, Data: fmt.Appendf(nil, `FROM %s/base/busybox:latest
RUN mkdir -p /script/to/run/another \
 && printf '#!/bin/sh\necho first tests passed\n' > /script/to/run/tests \
 && printf '#!/bin/sh\necho other tests passed\n' > /script/to/run/another/test \
 && chmod +x /script/to/run/tests /script/to/run/another/test
`, world.Registry.Host)},
		"deploy.sh": {Mode: 0o755, Data: []byte("#!/bin/sh\necho \"deployed $CI_COMMIT_SHORT_SHA\"\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return sha
}

// at moves a job to another commit.
func at(p local.Payload, sha string) local.Payload {
	p.GitInfo.SHA = sha
	lab.Set(&p, "CI_COMMIT_SHA", sha)
	lab.Set(&p, "CI_COMMIT_SHORT_SHA", sha[:8])
	return p
}

// login stands for the step that GitLab's documentation leaves to the reader. The pipelines'
// base image is on a registry with a password here.
const login = lab.Login

func TestOwnDindImageWithAlias(t *testing.T) {
	sha := commitPipelineFiles(t)
	host := world.Registry.LocalHost + "/group/project/docker"
	p := images(at(world.Job(login,
		`docker build -t my-docker-image .`,
		`docker run my-docker-image /script/to/run/tests`,
	), sha), tagged(t, rig.ImageCLI, host+":20.10.16"), tagged(t, rig.ImageDind, host+":20.10.16-dind"))
	p.Services[0].Alias = "docker"
	runJob(t, p, withSettings(unasked(t))).succeeded().quietCleanup().says("first tests passed")
}

func TestDependencyProxy(t *testing.T) {
	sha := commitPipelineFiles(t)
	const proxy = "group/dependency_proxy/containers/docker"
	// Both images come through the proxy, which demands the job's credentials.
	for image, tag := range map[string]string{rig.ImageCLI: ":20.10.16", rig.ImageOldDind: ":18.09.7-dind"} {
		if err := world.Registry.Push(t.Context(), world.Engine, image, proxy+tag); err != nil {
			t.Fatal(err)
		}
	}
	prefix := world.Registry.LocalHost + "/" + proxy
	p := images(at(world.Job(login,
		`docker build -t my-docker-image .`,
		`docker run my-docker-image /script/to/run/tests`,
	), sha), prefix+":20.10.16", prefix+":18.09.7-dind")
	p.Services[0].Alias = "docker"
	t.Cleanup(func() { removeImage(t, p.Image.Name); removeImage(t, p.Services[0].Name) })
	runJob(t, p).succeeded().quietCleanup().
		says("pulled "+prefix, "pulled "+prefix, " ready", "first tests passed")
}

func TestFourStages(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	ctx, cancel := context.WithTimeout(t.Context(), jobTimeout)
	defer cancel()
	sha := commitPipelineFiles(t)
	run := func(script ...string) ran {
		p := at(world.Job(append([]string{
			`echo "$CI_REGISTRY_PASSWORD" | docker login $CI_REGISTRY -u $CI_REGISTRY_USER --password-stdin`,
		}, script...)...), sha)
		lab.Set(&p, "DOCKER_HOST", "tcp://docker:2376")
		lab.Set(&p, "DOCKER_TLS_CERTDIR", "/certs")
		lab.Set(&p, "CONTAINER_TEST_IMAGE", "$CI_REGISTRY_IMAGE:$CI_COMMIT_REF_SLUG")
		lab.Set(&p, "CONTAINER_RELEASE_IMAGE", "$CI_REGISTRY_IMAGE:latest")
		job, finish := startJob(ctx, t, p)
		return finish(job.Wait())
	}
	run(`docker build --pull -t $CONTAINER_TEST_IMAGE .`, `docker push $CONTAINER_TEST_IMAGE`).succeeded().quietCleanup()

	var tests sync.WaitGroup
	var first, other ran
	tests.Go(func() {
		first = run(`docker pull $CONTAINER_TEST_IMAGE`, `docker run $CONTAINER_TEST_IMAGE /script/to/run/tests`)
	})
	tests.Go(func() {
		other = run(`docker pull $CONTAINER_TEST_IMAGE`, `docker run $CONTAINER_TEST_IMAGE /script/to/run/another/test`)
	})
	tests.Wait()
	first.succeeded().quietCleanup().says("first tests passed")
	other.succeeded().quietCleanup().says("other tests passed")

	run(`docker pull $CONTAINER_TEST_IMAGE`, `docker tag $CONTAINER_TEST_IMAGE $CONTAINER_RELEASE_IMAGE`,
		`docker push $CONTAINER_RELEASE_IMAGE`).succeeded().quietCleanup()
	tested, err := world.Registry.Digest(ctx, "group/app", "main")
	if err != nil {
		t.Fatal(err)
	}
	released, err := world.Registry.Digest(ctx, "group/app", "latest")
	if err != nil || released != tested {
		t.Fatalf("released %s, tested %s: %v", released, tested, err)
	}
	run(`./deploy.sh`).succeeded().quietCleanup().says("deployed " + sha[:8])
}
