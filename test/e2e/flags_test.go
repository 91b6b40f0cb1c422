package e2e

import (
	"testing"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// The executor heeds the Runner's flags that the docker executor heeds. An image's own user
// owns the sources and file variables, so git accepts them and nobody else may write them. An
// init process is the first process.
func TestFeatureFlagsOfTheDockerExecutor(t *testing.T) {
	image := rig.Derive(t, world.Engine, rig.ImageCLI, `USER 1000:1000`, `ENV HOME=/tmp`)
	p := images(world.Job(
		`git status --short && echo "git is content"`,
		`stat -c '%n %u:%g %a' README.md .git/HEAD "$NOTES"`,
		`echo more >> README.md && touch new && git status --short`,
		`echo "the first process is $(cat /proc/1/comm)"`,
	), image, rig.ImageDind)
	p.Variables = append(p.Variables, local.Variable{Key: "NOTES", Value: "notes", File: true})
	lab.Set(&p, "FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR", "true")
	lab.Set(&p, "FF_USE_INIT_WITH_DOCKER_EXECUTOR", "true")
	lab.Set(&p, "FF_CONCRETE", "true")
	runJob(t, p).succeeded().quietCleanup().says(
		"FF_CONCRETE changes nothing here: no job has a step runner",
		"the job's files belong to its user, 1000:1000",
		"\ngit is content",
		"README.md 1000:1000 644", ".git/HEAD 1000:1000 644", "/builds/group/app.tmp/NOTES 1000:1000 ",
		" M README.md", "?? new",
		"the first process is docker-init",
	)
}
