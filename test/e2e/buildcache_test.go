package e2e

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"go.yaml.in/yaml/v3"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// sharedBuild is a job of a ref that extends the hidden job of scripts/pipelines.
func sharedBuild(t *testing.T, project int64, sha string, protected bool) local.Payload {
	t.Helper()
	text, err := os.ReadFile("../../scripts/pipelines/docker-build.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Job struct {
			Variables map[string]string
			Script    []string
		} `yaml:".docker-build"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	const clock = `date +%s%N`
	script := append([]string{"began=$(" + clock + ")"}, file.Job.Script...)
	p := at(world.Job(append(script, "echo \"the build took $((($("+clock+") - began) / 1000000)) ms\"",
		"echo \"the daemon is $(docker version -f '{{.Server.Version}}')\"")...), sha)
	p.JobInfo.ProjectID, p.GitInfo.Protected = project, &protected
	lab.Set(&p, "CI_COMMIT_REF_PROTECTED", strconv.FormatBool(protected))
	values := map[string]string{}
	for _, v := range p.Variables {
		values[v.Key] = v.Value
	}
	values["CI_REGISTRY_IMAGE"] = fmt.Sprintf("%s/group/shared-%d", world.Registry.Host, project)
	for key, value := range file.Job.Variables {
		lab.Set(&p, key, os.Expand(value, func(name string) string { return values[name] }))
	}
	return p
}

var tookLine = regexp.MustCompile(`the build took (\d+) ms`)

// took is the duration of a job's build, in seconds.
func (r ran) took() string {
	r.t.Helper()
	m := tookLine.FindStringSubmatch(r.log)
	if m == nil {
		r.t.Fatal("the job does not say how long it built")
	}
	ms, _ := strconv.Atoi(m[1])
	return fmt.Sprintf("%.1f s", float64(ms)/1000)
}

// A new host finds the layers of a project in the registry. Where images are in containerd's
// store, these are the layers of all stages. Kept layers belong to a host, so a job without
// kept layers stands for another host.
//
// The test takes minutes. In make test, package test reads the file of scripts/pipelines.
func TestABuildOnAnotherHostFindsItsLayersInTheRegistry(t *testing.T) {
	if !long() {
		return
	}
	rig.Unchanged(t, world.Engine)
	newest := "gitlab-dind-executor.test/docker:containerd-dind"
	if rig.Require(t.Context(), world.Engine, newest) != nil {
		newest = rig.DeriveWith(t, world.Engine, rig.ImageDind, []rig.File{containerdStore})
	}
	files := func(app string) string {
		sha, err := world.Git.Commit(t.Context(), fstest.MapFS{
			"app": {Mode: 0o644, Data: []byte(app)},
			"Dockerfile": {Mode: 0o644, Data: fmt.Appendf(nil, `FROM %[1]s/base/busybox:latest AS build
RUN sleep 5 && dd if=/dev/urandom of=/tools bs=1M count=20 2>/dev/null && echo made $((1 + 1)) tools
COPY app /app
RUN sleep 1 && cat /app > /built

FROM %[1]s/base/busybox:latest
RUN sleep 2 && touch /packages && echo made $((1 + 1)) packages
COPY --from=build /built /built
`, world.Registry.Host)},
		})
		if err != nil {
			t.Fatal(err)
		}
		return sha
	}
	one, two, three, four := files("one\n"), files("two\n"), files("three\n"), files("four\n")
	const project, made = 70, "made 2 tools"
	t.Cleanup(func() { gcWith(t, "--caches", "--older-than", "0s") })
	settings := func(name, image, layers string) func(*local.Runner) {
		file, err := world.WriteSettings("shared-"+name+".toml", fmt.Sprintf("[cache]\nvolume = false\nlayers = %q\n[[policy]]\nsidecar.image = %q\n", layers, image))
		if err != nil {
			t.Fatal(err)
		}
		return under(file)
	}
	host, other := settings("host", newest, "project"), settings("other", newest, "off")
	before := settings("before", rig.DeriveWith(t, world.Engine, rig.ImageDind, []rig.File{ownStore}), "off")
	job := func(sha string, protected bool, with func(*local.Runner)) ran {
		p := sharedBuild(t, project, sha, protected)
		p.Services = nil
		r := runJobUnchecked(t, p, with).succeeded().quietCleanup()
		sweptBehind(t)
		return r
	}
	const ancient = "the daemon is 20.10." // it has no containerd's store, and reads no layers that later builders leave
	first := job(one, true, host).says(made).says("the daemon is ")
	if strings.Contains(first.log, ancient) {
		t.Log("no image has a daemon with containerd's store")
		return
	}
	again := job(two, true, host).saysNot(made).says("layers reused")
	elsewhere := job(three, true, other).saysNot(made)
	// Layers of protected refs are for all refs. Layers of other refs are for other refs alone.
	job(one, false, other).saysNot(made)
	// A daemon with a store of its own finds the layers, and leaves none.
	old := job(four, true, before).says("no layers are left in ").says("the daemon is ")
	if strings.Contains(old.log, ancient) {
		old.says(made)
	} else {
		old.saysNot(made)
	}
	t.Attr("build", fmt.Sprintf("first %s, after a change %s, after another on another host %s, with dockerd's store %s", first.took(), again.took(), elsewhere.took(), old.took()))
	tags, err := world.Registry.Tags(t.Context(), fmt.Sprintf("group/shared-%d/buildcache", project))
	slices.Sort(tags)
	if err != nil || strings.Join(tags, " ") != "protected unprotected" {
		t.Errorf("the registry has the tags %q (%v)", tags, err)
	}
}
