package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/client"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/fakeengine"
	"gitlab-dind-executor/test/rig"
)

// dockerExecutorsCalls are the calls of GitLab Runner's docker executor for a trivial job with
// docker:dind, on an engine with a single network. Their source is executors/docker of GitLab
// Runner.
const dockerExecutorsCalls = `
info version
helper: image
volume: make container start wait remove
volume: make container start wait remove
volume: make container start wait remove
service: image pull image networks network remove container start inspect
check: image container start wait networks network remove
helper: image
job: image pull image
prepare_script: image image networks network remove container inspect attach start wait stop
get_sources: inspect attach start wait stop
build_script: image networks network remove container inspect attach start exec wait stop
cleanup_file_variables: inspect attach start wait stop
end: networks network remove
`

// word maps calls of the engine to the words of dockerExecutorsCalls.
var word = map[string]string{
	"GET /info": "info", "GET /version": "version", "GET /images/{name...}": "image", "POST /images/create": "pull",
	"POST /volumes/create": "make", "POST /containers/create": "container", "POST /containers/{id}/start": "start",
	"POST /containers/{id}/wait": "wait", "DELETE /containers/{id}": "remove", "GET /networks": "networks",
	"GET /networks/{id}": "network", "GET /containers/{id}/json": "inspect", "POST /containers/{id}/attach": "attach",
	"POST /containers/{id}/stop": "stop", "POST /containers/{id}/exec": "exec", "GET /_ping": "",
}

func TestTheCallsAreThoseOfTheDockerExecutor(t *testing.T) {
	const cli, dind = "127.0.0.1:5000/docker:cli", "127.0.0.1:5000/docker:dind"
	e := fakeengine.New(t)
	for _, image := range []string{cli, dind, rig.ImageHelper} {
		e.AddImage(image, fakeengine.Image{})
		e.ServeImage(image, fakeengine.Image{})
	}
	e.AddNetwork("bridge-of-the-engine", nil)
	e.OnStart = func(c *fakeengine.Container) {
		if strings.Contains(c.Name, "set-permission") || strings.Contains(c.Name, "wait-for-service") {
			c.Exit(0)
		}
	}
	e.OnScript = func(script string) (string, int) {
		if strings.Contains(script, "docker version") {
			return firstLine + "\n", 0
		}
		return "", 0
	}
	engine, err := client.NewClientWithOpts(client.WithHost(e.Host), client.WithVersion("1.47"))
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	j := &dockerJob{
		dockerCalls: dockerCalls{engine: engine}, project: "x-project-42-concurrent-0", name: "x-project-42-concurrent-0-7",
		p: local.Payload{Image: local.Image{Name: cli}, Services: []local.Image{{Name: dind, Alias: "docker"}}},
	}
	if err := j.prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{helperStage, "get_sources", buildStage, "cleanup_file_variables"} {
		text := "true"
		if name == buildStage {
			text = "docker version"
		}
		if err := j.stage(t.Context(), stageScript{name, text}); err != nil {
			t.Fatal(err)
		}
	}
	if j.log.at.IsZero() {
		t.Error("the line was not seen")
	}
	var got, want []string
	for _, call := range e.Calls() {
		w, known := word[call]
		if !known {
			t.Errorf("it calls %s", call)
		}
		if w != "" {
			got = append(got, w)
		}
	}
	for _, w := range strings.Fields(dockerExecutorsCalls[:strings.Index(dockerExecutorsCalls, "end:")]) {
		if !strings.HasSuffix(w, ":") {
			want = append(want, w)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the calls are\n%q, want\n%q", got, want)
	}
	before := len(e.Calls())
	if err := j.cleanup(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(e.Calls()) - before; n != 3*3 { // three calls for each of service, helper and job container
		t.Errorf("the end has %d calls", n)
	}
	if left := strings.Join(e.Objects(), " "); strings.Contains(left, "container") || strings.Count(left, "-cache-") != 3 {
		t.Errorf("what is left is %s", left)
	}
}
