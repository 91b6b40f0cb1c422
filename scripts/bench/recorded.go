package main

import (
	"context"
	_ "embed" // recorder
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"gitlab-dind-executor/executor/local"
)

// recorder is called in the executor's place: it answers config and keeps the
// scripts that run is given.
//
//go:embed recorder.sh
var recorder string

// untilReady is the job's script where somebody else has to wait for the daemon:
// it is there when docker answers.
const untilReady = "until docker version >/dev/null 2>&1; do sleep 0.1; done"

// record has the scripts written for a job, so that docker:dind by hand runs what
// the Runner would run in it: prepare_script and get_sources in the helper, and
// build_script in the job's image.
func (b *bench) record(ctx context.Context) (map[string]string, error) {
	dir, err := os.MkdirTemp("", "dind-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "recorder")
	if err := os.WriteFile(program, []byte(recorder), 0o700); err != nil {
		return nil, err
	}
	r := &local.Runner{
		Executable: program, TempDir: dir,
		ConfigArgs: []string{"config"}, PrepareArgs: []string{"prepare"}, RunArgs: []string{"run"}, CleanupArgs: []string{"cleanup"},
	}
	result := r.Run(ctx, b.job(untilReady, "echo '"+firstLine+"'"))
	if result.State != local.Success {
		return nil, fmt.Errorf("recording the Runner's scripts: %w", errors.Join(result.Err, ctx.Err()))
	}
	stages := map[string]string{}
	for _, stage := range []string{"prepare_script", "get_sources", "build_script"} {
		text, err := os.ReadFile(filepath.Join(dir, stage))
		if err != nil {
			return nil, fmt.Errorf("recording the Runner's scripts: %w", err)
		}
		stages[stage] = string(text)
	}
	return stages, nil
}
