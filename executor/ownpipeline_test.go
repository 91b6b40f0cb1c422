package executor

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gitlab-dind-executor/test/fakeengine"
)

// tryOwn lists the jobs of this project's own pipeline, for a commit with or without a tag.
func tryOwn(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	text, err := os.ReadFile("../.gitlab-ci.yml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, ".gitlab-ci.yml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "."}, {"-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "first"}} {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v: %s", args[0], err, out)
		}
	}
	e := fakeengine.New(t)
	code, stdout, stderr := hook(t, e, with(""), append([]string{"try", "--list", "--file", file}, args...)...)
	if code != 0 {
		t.Fatalf("try ended with %d: %s", code, stderr)
	}
	return stdout, stderr
}

func TestTryUnderstandsThePipelineOfThisProject(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"a commit": {nil, "lint on_success, test on_success, release never"},
		"a tag":    {[]string{"--variable", "CI_COMMIT_TAG=v1.2.0"}, "lint on_success, test on_success, release on_success"},
		"a tag that is no version": {
			[]string{"--variable", "CI_COMMIT_TAG=nightly"}, "lint on_success, test on_success, release never",
		},
	} {
		stdout, stderr := tryOwn(t, c.args...)
		// Keys for GitLab's pages mean nothing to a try.
		if rest := strings.Replace(stderr, "warning: test: not understood here: artifacts:reports:junit", "", 1); strings.Contains(rest, "warning") {
			t.Errorf("%s: %s", name, stderr)
		}
		var jobs []string
		for line := range strings.Lines(stdout) {
			if f := strings.Fields(line); len(f) > 2 && f[0] != "JOB" {
				jobs = append(jobs, f[0]+" "+strings.TrimSuffix(f[2], ":"))
			}
		}
		if got := strings.Join(jobs, ", "); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// Everything that the jobs call exists, in the release of Go that go.mod asks for.
func TestThePipelineOfThisProjectCallsWhatThereIs(t *testing.T) {
	read := func(name string) string {
		b, err := os.ReadFile("../" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	pipeline, makefile := read(".gitlab-ci.yml"), read("Makefile")
	release := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(read("go.mod"))
	if release == nil || !strings.Contains(pipeline, "image: golang:"+release[1]+"-") {
		t.Errorf("its image is not that of go.mod's %q", release)
	}
	targets := regexp.MustCompile(`(?m)^ +- make ([a-z-]+)`).FindAllStringSubmatch(pipeline, -1)
	if len(targets) == 0 {
		t.Error("it makes nothing")
	}
	for _, m := range targets {
		if !strings.Contains(makefile, "\n"+m[1]+":") {
			t.Errorf("there is no target %s", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`\bscripts/[a-z]+`).FindAllString(pipeline, -1) {
		if info, err := os.Stat("../" + m); err != nil || info.Mode()&0o111 == 0 {
			t.Errorf("%s cannot be run: %v", m, err)
		}
	}
}
