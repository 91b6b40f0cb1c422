package main

import (
	"context"
	_ "embed" // recorder
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gitlab-dind-executor/executor/local"
)

// recorder takes the executor's place. It answers config and keeps the scripts given to run.
//
//go:embed recorder.sh
var recorder string

// stageScript is the Runner's script for a stage.
type stageScript struct{ name, text string }

// ofJob says that the stage runs in the job's container, not in the helper.
func (s stageScript) ofJob() bool {
	return s.name == buildStage || s.name == laterStage || strings.HasPrefix(s.name, "step_")
}

// record returns the Runner's scripts for a job, in the order of its stages. Another way can
// then run the same scripts.
func (b *bench) record(ctx context.Context, p local.Payload) (scripts []stageScript, err error) {
	dir, err := os.MkdirTemp("", "dind-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	program := filepath.Join(dir, "recorder")
	if err := os.WriteFile(program, []byte(recorder), 0o700); err != nil {
		return nil, err
	}
	r := &local.Runner{
		Executable: program, TempDir: dir,
		ConfigArgs: []string{"config"}, PrepareArgs: []string{"prepare"}, RunArgs: []string{"run"}, CleanupArgs: []string{"cleanup"},
	}
	result := r.Run(ctx, p)
	if result.State != local.Success {
		return nil, fmt.Errorf("recording the Runner's scripts: %w", errors.Join(result.Err, ctx.Err()))
	}
	for _, phase := range result.Phases {
		if phase.Kind != local.Run {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, phase.Name))
		if err != nil {
			return nil, fmt.Errorf("recording the Runner's scripts: %w", err)
		}
		scripts = append(scripts, stageScript{phase.Name, string(text)})
	}
	return scripts, nil
}
