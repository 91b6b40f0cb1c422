package e2e

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gitlab-dind-executor/test/rig"
)

// try is a call of the command try on a repository with these files. The files in late are not
// committed.
func try(t *testing.T, files, late map[string]string, args ...string) (cmd *exec.Cmd, out *buffer) {
	t.Helper()
	rig.Unchanged(t, world.Engine)
	dir := t.TempDir()
	git := func(args ...string) {
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@b"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", args[0], err, out)
		}
	}
	put := func(files map[string]string) {
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	git("init", "-q", "-b", "main", ".")
	put(files)
	git("add", "-A")
	git("commit", "-qm", "first")
	put(late)

	ctx, cancel := context.WithTimeout(context.Background(), jobTimeout)
	t.Cleanup(cancel)
	temp := t.TempDir()
	t.Cleanup(func() {
		if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
			t.Errorf("it leaves in TMPDIR: %v (%v)", left, err)
		}
	})
	cmd = exec.CommandContext(ctx, world.Binary, append([]string{"--settings", world.Settings, "try", "--file", filepath.Join(dir, ".gitlab-ci.yml")}, args...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+temp, "HOME="+t.TempDir(), "XDG_STATE_HOME="+t.TempDir(), "CI_REGISTRY_PASSWORD="+world.Registry.Password)
	out = &buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	return cmd, out
}

// code is the exit code of a program that has ended.
func code(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}

// The host's pool holds a sandbox for a Runner's jobs, and wants more. The try takes no sandbox
// of the pool and has none made.
func TestTryRunsAPipelineAsGitLabWould(t *testing.T) {
	p := startPool(t, "1", "")
	before := p.one()
	had, err := rig.Snapshot(t.Context(), world.Engine)
	if err != nil {
		t.Fatal(err)
	}
	artifacts := filepath.Join(t.TempDir(), "left")
	cmd, out := try(t, map[string]string{
		"Dockerfile": "FROM " + world.Registry.Host + "/base/busybox:latest\nCOPY new /new\n",
		".gitlab-ci.yml": `
include: [{template: Jobs/SAST.gitlab-ci.yml}]
stages: [build, test, deploy]
default: {image: ` + rig.ImageCLI + `}
sast: {stage: test, variables: {A: x}}
build:
  stage: build
  variables: {IMAGE: "$CI_REGISTRY/group/try:$CI_COMMIT_SHORT_SHA"}
  before_script:
    - ` + login + `
  script:
    - docker build -q -t $IMAGE .
    - docker push -q $IMAGE
    - docker run --rm $IMAGE cat /new > built
    - echo "the password is $CI_REGISTRY_PASSWORD"
    - echo "TEST_IMAGE=` + rig.ImageCLI + `" > build.env
  artifacts: {paths: [built], reports: {dotenv: build.env}}
  cache: {key: {files: [Dockerfile]}, paths: [none]}
test:
  stage: test
  image: $TEST_IMAGE
  needs: [build]
  parallel: {matrix: [{ARCH: [amd64]}]}
  script: [cat built, 'echo "for $ARCH"', exit 3]
deploy:
  stage: deploy
  script: [echo never]
release: {stage: deploy, script: [echo never], only: [tags]}
`,
	}, map[string]string{"new": "not committed\n"},
		"--variable", "CI_REGISTRY="+world.Registry.Host, "--variable", "CI_REGISTRY_USER="+world.Registry.User,
		"--variable", "CI_REGISTRY_PASSWORD", "--times", "--artifacts", artifacts)
	cmd.Args[2] = settingsWith(t, "[pool]\nsize = 2\n")
	err = cmd.Run()
	log := out.String()
	if code(err) != 1 {
		t.Errorf("it ends with %v, want 1", err)
	}
	if strings.Contains(log, world.Registry.Password) {
		t.Error("the password is in the log")
		log = strings.ReplaceAll(log, world.Registry.Password, "…")
	}
	rest := log
	for _, text := range []string{
		"warning: include: template Jobs/SAST.gitlab-ci.yml is not fetched", "warning: build: not understood here: cache:key:files\n", "with uncommitted changes",
		"job build, stage build", "starting Docker", "(new daemon)", "Login Succeeded", "the password is [MASKED]", "Job succeeded", "run get_sources", "first line of the script",
		"job test: [amd64], stage test", "$ cat built\nnot committed\n", "\nfor amd64\n", "Job failed: exit status 3",
		"build           success", "sast            left out", "Jobs/SAST.gitlab-ci.yml is not fetched",
		"test: [amd64]   failed    ", ", exit status 3", "deploy          skipped    test: [amd64] failed", "release         left out   it is left out by only: tags",
	} {
		_, after, found := strings.Cut(rest, text)
		if !found {
			t.Fatalf("%q is missing or out of order in:\n%s", text, log)
		}
		rest = after
	}
	if tags, err := world.Registry.Tags(t.Context(), "group/try"); err != nil || len(tags) != 1 {
		t.Errorf("the registry has %v (%v)", tags, err)
	}
	if text, err := os.ReadFile(filepath.Join(artifacts, "build", "built")); err != nil || string(text) != "not committed\n" {
		t.Errorf("the artifact is %q (%v)", text, err)
	}
	if after := p.one(); after != before {
		t.Errorf("%s waited before, %s waits now", before, after)
	}
	if err := rig.Settle(t.Context(), world.Engine, had); err != nil {
		t.Errorf("what is there is not what was there before: %v", err)
	}
}

func TestTryIsCancelledByCtrlC(t *testing.T) {
	cmd, out := try(t, map[string]string{".gitlab-ci.yml": `
slow:
  image: ` + rig.ImageCLI + `
  script: [echo began, sleep 600]
  after_script: [echo "after $CI_JOB_STATUS"]
next: {stage: deploy, script: [echo never]}
`}, nil)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(out.String(), "\nbegan\n") {
		select {
		case err := <-ended:
			t.Fatalf("it ended before: %v\n%s", err, out)
		case <-tick.C:
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	err := <-ended
	log := out.String()
	if code(err) != 2 || !strings.Contains(log, "\nafter canceled\n") || strings.Contains(log, "never") {
		t.Errorf("it ends with %v:\n%s", err, log)
	}
}
