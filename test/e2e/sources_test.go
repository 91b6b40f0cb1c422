package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// projectOf makes a project of its own for a test.
func projectOf(t *testing.T, name string, files map[string]string) *rig.GitProject {
	t.Helper()
	p, err := world.Git.AddProject(t.Context(), "group/"+name, rig.Files(files))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// of moves a job to a commit of another project.
func of(project *rig.GitProject, sha string, p local.Payload) local.Payload {
	p.GitInfo.RepoURL, p.GitInfo.SHA = project.URL, sha
	lab.Set(&p, "CI_COMMIT_SHA", sha)
	return p
}

// sideBySide runs jobs at once and returns their results.
func sideBySide(t *testing.T, jobs []local.Payload, with ...func(*local.Runner)) []ran {
	t.Helper()
	rig.Unchanged(t, world.Engine)
	ctx, cancel := context.WithTimeout(t.Context(), jobTimeout)
	defer cancel()
	results := make([]ran, len(jobs))
	var wg sync.WaitGroup
	for i, p := range jobs {
		job, finish := startJob(ctx, t, p, with...)
		wg.Go(func() { results[i] = finish(job.Wait()) })
	}
	wg.Wait()
	return results
}

func TestGitStrategiesAndDepth(t *testing.T) {
	project := projectOf(t, "history", map[string]string{"file": "1\n"})
	var sha string
	for n := 2; n <= 4; n++ {
		var err error
		if sha, err = project.Commit(t.Context(), rig.Files(map[string]string{"file": fmt.Sprintln(n)})); err != nil {
			t.Fatal(err)
		}
	}
	// A tree of an earlier job is there when the sources are fetched once more.
	const look = `echo "commits: $(git rev-list --count HEAD 2>/dev/null || echo none), files: $(echo * .git)"`
	cases := []struct {
		strategy string
		depth    int
		want     []string
	}{
		{"clone", 1, []string{"with git depth set to 1", "commits: 1, files: file .git\n"}},
		{"fetch", 2, []string{"with git depth set to 2", "Created fresh repository", "commits: 2, files: file .git\n"}},
		{"fetch", 0, []string{"Fetching changes...", "commits: 4, files: file .git\n"}},
		{"none", 1, []string{"Skipping Git repository setup", "commits: none, files: * .git\n"}},
		{"empty", 1, []string{"creating an empty build directory", "commits: none, files: * .git\n"}},
	}
	var jobs []local.Payload
	for _, c := range cases {
		p := of(project, sha, world.Job(look))
		p.GitInfo.Depth = c.depth // GitLab makes the depth of GIT_DEPTH
		lab.Set(&p, "GIT_STRATEGY", c.strategy)
		jobs = append(jobs, p)
	}
	for i, r := range sideBySide(t, jobs) {
		t.Run(fmt.Sprintf("%s with depth %d", cases[i].strategy, cases[i].depth), func(t *testing.T) {
			r.t = t
			r.succeeded().quietCleanup().says(cases[i].want...)
		})
	}
}

func TestSubmodulesAndLargeFiles(t *testing.T) {
	deep := projectOf(t, "deep", map[string]string{"deep.txt": "deep down\n"})
	sub := projectOf(t, "sub", map[string]string{"sub.txt": "a module\n"})
	subSHA, err := sub.CommitSubmodule(t.Context(), "deep", "../deep.git", deep.SHA)
	if err != nil {
		t.Fatal(err)
	}
	super := projectOf(t, "super", map[string]string{
		".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n",
		"large.bin":      world.Git.AddLargeFile([]byte("a large file\n")),
	})
	sha, err := super.CommitSubmodule(t.Context(), "modules/sub", "../sub.git", subSHA)
	if err != nil {
		t.Fatal(err)
	}
	p := images(of(super, sha, world.Job(`cat modules/sub/sub.txt modules/sub/deep/deep.txt large.bin`, `touch modules/sub/deep/mine`)), rig.ImageBusybox, rig.ImageDind)
	p.Image.ExecutorOpts.Docker.User = "65534"
	lab.Set(&p, "GIT_SUBMODULE_STRATEGY", "recursive")
	r := runJob(t, p).succeeded().quietCleanup().
		says("Updating/initializing submodules recursively", "Updated submodules", "\na module\ndeep down\na large file\n").
		saysNot(world.Git.Token)
	if strings.Contains(r.log, "version https://git-lfs") {
		t.Error("the large file is its pointer")
	}
}
