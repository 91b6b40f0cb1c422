package e2e

import (
	"testing"

	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// Pipelines use their daemon for more than build and push.
func TestComposeWithABindMountAndAPublishedPort(t *testing.T) {
	p := world.Job(login,
		`mkdir -p www && echo "hello from the sources" > www/index.html`,
		`cat > compose.yaml <<E
services:
  web:
    image: $CI_REGISTRY/base/busybox
    command: httpd -f -h /www
    volumes: ["./www:/www"]
    ports: ["8080:80"]
E`,
		`docker compose up -d --quiet-pull`,
		get+`; n=0; until get http://docker:8080/; do n=$((n+1)); [ $n -lt 50 ]; sleep 0.1; done`,
		`docker compose down -t 0`,
	)
	runJob(t, p).succeeded().quietCleanup().says("\nhello from the sources\n")
}

// The docker command comes from the sidecar's own files, because an image with the command
// would have to be pulled. It may ask before the daemon counts its container as running, hence
// --all.
func TestContainerWithTheDaemonsSocket(t *testing.T) {
	p := world.Job(login,
		`docker run --rm --name inner -v /var/run/docker.sock:/var/run/docker.sock -v /usr:/usr:ro -v /lib64:/lib64:ro -v /lib:/lib:ro $CI_REGISTRY/base/busybox /usr/bin/docker ps --all --format 'sees {{.Names}}'`,
	)
	runJob(t, p).succeeded().says("\nsees inner\n")
}

func TestWaysToBuild(t *testing.T) {
	p := world.Job(login,
		`printf "FROM $CI_REGISTRY/base/busybox AS one\nRUN echo kept > /kept\nFROM $CI_REGISTRY/base/busybox\nCOPY --from=one /kept /kept\nRUN cat /kept\n" > stages`,
		`docker buildx build --progress=plain --load -t by-buildx -f stages . 2>&1`,
		`docker run --rm by-buildx sh -c 'echo "buildx: $(cat /kept)"'`,
		`DOCKER_BUILDKIT=0 docker build -t classic -f stages . && docker run --rm classic sh -c 'echo "classic: $(cat /kept)"'`,
		`printf "FROM $CI_REGISTRY/base/busybox\nRUN ip -brief link 2>/dev/null | grep -c . || ls /sys/class/net | tr '\\\\n' ' '\n" > net`,
		`docker build --network=none -f net . >/dev/null && docker build --network=host -f net . >/dev/null && echo "networks chosen"`,
	)
	lab.Set(&p, "BUILDKIT_PROGRESS", "plain")
	runJob(t, p).succeeded().says("buildx: kept", "classic: kept", "\nnetworks chosen\n")
}

// buildx refuses TLS from variables. Afterwards everything but its builder is as before. No
// registry has the builder's image here.
func TestBuildxCreateOverTLS(t *testing.T) {
	p := world.Job(
		`docker buildx create --use --name multi && docker buildx create --name other --driver-opt network=host`,
		`docker buildx inspect | awk '/^Name/ { print "in use is " $2; exit }'`,
		`docker buildx inspect multi | grep -c '^Endpoint: *job-docker-2376$'`,
		`docker info 2>&1 | grep -i 'warning.*plugin' || echo "no warning of plugins, $DOCKER_HOST, $(docker context show)"`,
	)
	r := runJob(t, p).succeeded().quietCleanup()
	r.says("\nmulti\nother\n", "\nin use is multi\n", "\n1\n", "\nno warning of plugins, tcp://docker:2376, default\n")
}

// Docker 29 by itself refuses clients from before API 1.44. A pipeline keeps its old client.
func TestAnOldClientIsServed(t *testing.T) {
	p := images(world.Job(`DOCKER_API_VERSION=1.41 docker ps -q && DOCKER_API_VERSION=1.41 docker version -f 'a client of {{.Client.APIVersion}}'`),
		rig.ImageOldDind, rig.ImageDind)
	runJob(t, p).succeeded().quietCleanup().says("\na client of 1.41\n")
}
