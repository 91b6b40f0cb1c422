// Command demo runs the pipeline of README.md with the command try on the engine of this
// machine. The demo shows the pushed image in the registry, and an engine without leftovers.
// Everything is real except GitLab.
//
// The command may import fault, test/lab and test/rig.
package main

import (
	"context"
	"flag"
	"os"
	"time"

	"gitlab-dind-executor/test/lab"
)

// bound ends a hanging demo. A demo takes a few seconds.
const bound = 5 * time.Minute

func main() {
	executor := flag.String("executor", "bin/gitlab-dind-executor", "the `binary` to show")
	flag.Parse()
	lab.Program("demo", bound, func(ctx context.Context) error {
		path, err := lab.Executor(*executor)
		if err != nil {
			return err
		}
		return demo(ctx, os.Stdout, path)
	})
}
