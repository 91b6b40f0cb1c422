// Command runnertest drives a GitLab Runner of this host, which calls the hooks
// with the config.toml that config.toml.example shows, against a stand-in for
// GitLab's job API: builds and pushes, failures, artifacts, caches, a job that is
// cancelled. It shows that what goes for executor/local goes for the Runner.
//
// It may import executor/local, fault, test/lab, test/realrunner and test/rig.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/realrunner"
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
		binary, version, err := realrunner.Find(ctx, *runner, "test-runner")
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
