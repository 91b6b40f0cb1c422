// Command demo runs the pipeline of README.md with the try command on the engine
// of this machine, and shows that what it pushed is in the registry and that
// nothing is left on the engine. Everything is real but GitLab.
//
// It may import fault, test/lab and test/rig.
package main

import (
	"context"
	"flag"
	"os"
	"time"

	"gitlab-dind-executor/test/lab"
)

// bound is for a demo that hangs; it takes a few seconds.
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
