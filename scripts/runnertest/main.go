// Command runnertest drives a GitLab Runner of this host, which calls the hooks
// with the config.toml that config.toml.example shows, against a stand-in for
// GitLab's job API: builds and pushes, failures, artifacts, caches, a job that is
// cancelled. It shows that what goes for executor/local goes for the Runner.
//
// It may import executor/local, fault, test/lab and test/rig.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/lab"
)

// bound is for a Runner that hangs; it takes a minute or two.
const bound = 15 * time.Minute

func main() {
	executor := flag.String("executor", "bin/gitlab-dind-executor", "the `binary` whose hooks are called")
	runner := flag.String("runner", "", "the gitlab-runner `binary`")
	helper := flag.Bool("image-helper", false, "let jobs use the gitlab-runner of the helper image instead of the runner binary")
	check := flag.Bool("check", false, "only look whether there is a gitlab-runner")
	flag.Parse()
	lab.Program("test-runner", bound, func(ctx context.Context) error {
		binary, version, err := runnerBinary(ctx, *runner)
		if err != nil || *check {
			return err
		}
		fmt.Printf("Runner      %s %s\n", binary, version)
		path, err := lab.Executor(*executor)
		if err != nil {
			return err
		}
		t := &trial{executor: path, runner: binary, out: os.Stdout}
		if !*helper {
			t.helper = binary
		}
		return t.run(ctx)
	})
}

// runnerBinary is the absolute path of a binary that tells its version as
// gitlab-runner does.
func runnerBinary(ctx context.Context, path string) (binary, version string, err error) {
	const hint = "install GitLab Runner, then: make test-runner RUNNER=/usr/bin/gitlab-runner"
	if path == "" {
		return "", "", fault.System(errors.New("no gitlab-runner is named"), hint)
	}
	found, err := exec.LookPath(path)
	if err == nil {
		found, err = filepath.Abs(found)
	}
	if err == nil {
		found, err = filepath.EvalSymlinks(found)
	}
	if err != nil {
		return "", "", fault.System(fmt.Errorf("there is no gitlab-runner: %w", err), hint)
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, found, "--version").Output()
	if err == nil && !versionLine.Match(out) {
		err = errors.New("it tells no version")
	}
	if err != nil {
		return "", "", fault.System(fmt.Errorf("%s is no gitlab-runner: %w", found, err), hint)
	}
	return found, string(versionLine.FindSubmatch(out)[1]), nil
}
