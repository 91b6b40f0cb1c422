// Command runnertest drives a GitLab Runner of this host against a stand-in for GitLab's job
// API. The Runner calls the hooks with the config.toml of config.toml.example. The jobs build
// and push, fail, use artifacts and caches, and are cancelled. So tests with executor/local are
// shown to hold for the Runner.
//
// The command may import executor/local, fault, test/lab, test/realrunner and test/rig.
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

// bound ends a Runner that hangs. The whole run takes a minute or two.
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
