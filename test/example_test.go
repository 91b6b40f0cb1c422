package test

import (
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"gitlab-dind-executor/config"
)

// The shipped config.toml.example must fit the program and its settings.
func TestConfigTomlExampleFitsTheProgram(t *testing.T) {
	var file struct {
		Runners []struct {
			Executor string `toml:"executor"`
			Custom   struct {
				ConfigArgs     []string `toml:"config_args"`
				PrepareArgs    []string `toml:"prepare_args"`
				RunArgs        []string `toml:"run_args"`
				CleanupArgs    []string `toml:"cleanup_args"`
				PrepareTimeout int      `toml:"prepare_exec_timeout"`
				CleanupTimeout int      `toml:"cleanup_exec_timeout"`
				GracefulKill   int      `toml:"graceful_kill_timeout"`
			} `toml:"custom"`
		} `toml:"runners"`
	}
	if _, err := toml.DecodeFile("../config.toml.example", &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Runners) != 1 || file.Runners[0].Executor != "custom" {
		t.Fatalf("want one runner with the custom executor: %+v", file.Runners)
	}
	c := file.Runners[0].Custom
	for name, args := range map[string][]string{
		"config": c.ConfigArgs, "prepare": c.PrepareArgs, "run": c.RunArgs, "cleanup": c.CleanupArgs,
	} {
		if !slices.Equal(args, []string{name}) {
			t.Errorf("%s_args are %q", name, args)
		}
		if out, err := exec.CommandContext(t.Context(), "go", "run", "gitlab-dind-executor", name, "--help").CombinedOutput(); err != nil {
			t.Errorf("the program has no hook %s: %v\n%s", name, err, out)
		}
	}
	s := config.Default()
	seconds := func(n int) time.Duration { return time.Duration(n) * time.Second }
	if need := s.PrepareBound(); seconds(c.PrepareTimeout) <= need {
		t.Errorf("prepare_exec_timeout must be above %s", need)
	}
	if seconds(c.CleanupTimeout) <= s.Cleanup.Timeout.Std() {
		t.Errorf("cleanup_exec_timeout must be above %s", s.Cleanup.Timeout.Std())
	}
	if seconds(c.GracefulKill) >= 5*time.Minute {
		t.Error("graceful_kill_timeout must be below the five minutes that the Runner waits before cleanup")
	}
}
