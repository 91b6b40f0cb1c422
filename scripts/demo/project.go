package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// pipeline is the pipeline of README.md, with this machine's names of the images.
const pipeline = `build_image:
  tags: [dind]
  image: ` + rig.ImageCLI + `
  services: [` + rig.ImageDind + `]
  script:
    - echo "$CI_REGISTRY_PASSWORD" | docker login -u "$CI_REGISTRY_USER" --password-stdin "$CI_REGISTRY"
    - docker build -t $CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA .
    - docker push $CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA
    - docker tag $CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA $CI_REGISTRY_IMAGE:latest
    - docker push $CI_REGISTRY_IMAGE:latest
`

// cancelling is the time for try to cancel its job and to clean up.
const cancelling = 2 * time.Minute

// newProject makes a git repository with a small app and the pipeline.
func newProject(ctx context.Context, dir, registry string) error {
	files := lab.App(registry)
	files[".gitlab-ci.yml"] = pipeline
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch=main", "."},
		{"remote", "add", "origin", "https://gitlab.demo.test/group/app.git"},
		{"add", "--all"},
		{"-c", "user.name=Demo", "-c", "user.email=demo@demo.test", "commit", "--quiet", "--no-gpg-sign", "--message", "A small app"},
	} {
		cmd := exec.CommandContext(ctx, "git", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// try runs the project's pipeline as an admin would. When ctx ends, try cancels the job, as
// Ctrl-C does, and waits for cleanup.
func try(ctx context.Context, out io.Writer, l *lab.Lab, dir string) error {
	cmd := exec.CommandContext(
		ctx, l.Binary, "--settings", l.Settings, "try", "--times",
		"--variable", "CI_REGISTRY="+l.Registry.Host,
		"--variable", "CI_REGISTRY_IMAGE="+l.Registry.Host+"/group/app",
		"--variable", "CI_REGISTRY_USER="+l.Registry.User,
		"--variable", "CI_REGISTRY_PASSWORD",
	)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CI_REGISTRY_PASSWORD="+l.Registry.Password)
	cmd.Stdout, cmd.Stderr = out, out
	// The terminal's Ctrl-C must reach only the demo, which hands the signal on once.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = cancelling
	return cmd.Run()
}
