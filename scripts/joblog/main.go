// Command joblog draws a job log as GitLab shows the log. The picture is docs/job-log.svg. The
// log is recorded.log, as GitLab received it from a job. With -record the command first runs
// the job anew, on the engine of this machine.
//
// The command may import executor/local, fault, test/lab and test/rig.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/lab"
)

// bound ends a hanging job. The job takes a few seconds.
const bound = 5 * time.Minute

func main() {
	record := flag.Bool("record", false, "run the job and record its log first")
	executor := flag.String("executor", "bin/gitlab-dind-executor", "with -record: the `binary` to show")
	log := flag.String("log", "scripts/joblog/recorded.log", "the recorded `file`")
	picture := flag.String("picture", "docs/job-log.svg", "the `file` to draw")
	flag.Parse()
	lab.Program("joblog", bound, func(ctx context.Context) error {
		if *record {
			text, err := run(ctx, *executor)
			if err != nil {
				return err
			}
			if err := os.WriteFile(*log, text, 0o644); err != nil {
				return err
			}
		}
		text, err := os.ReadFile(*log)
		if err != nil {
			return err
		}
		return os.WriteFile(*picture, draw(parse(string(text))), 0o644)
	})
}

// script is short enough for a picture.
var script = []string{
	lab.Login + ` 2>/dev/null`,
	`docker build --quiet -t $CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA .`,
	`docker run --rm $CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA`,
	`docker push --quiet $CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA`,
}

// run runs the job and returns its log. The images are there, and no registry has them.
func run(ctx context.Context, executor string) (text []byte, err error) {
	binary, err := lab.Executor(executor)
	if err != nil {
		return nil, err
	}
	l, err := lab.New(ctx, lab.Options{Binary: binary, Settings: "[pull]\npolicy = [\"if-not-present\"]\n"})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	var log bytes.Buffer
	runner := l.Runner()
	runner.Log, runner.SectionMarkers = &log, true
	p := l.Job(script...)
	p.Features.TraceSections = true
	result := runner.Run(ctx, p)
	if result.State != local.Success {
		return nil, fault.System(fmt.Errorf("the job ended as %s: %w\n%s", result.State, result.Err, log.String()), "run it by make demo, which shows more")
	}
	return log.Bytes(), nil
}
