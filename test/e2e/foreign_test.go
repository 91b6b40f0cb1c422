package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/test/rig"
)

// foreign plants the objects of another Runner's executor on the engine.
func foreign(t *testing.T) *rig.Foreign {
	t.Helper()
	f, err := rig.PlantForeign(t.Context(), world.Engine)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Remove(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return f
}

// whole fails where an object of the other Runner has changed.
func whole(t *testing.T, f *rig.Foreign, after string) {
	t.Helper()
	for _, changed := range f.Changed(t.Context()) {
		t.Errorf("after %s: %s", after, changed)
	}
}

// The test runs each command by which tests remove their objects.
// TestEveryJobEndsWithWhatItUsed covers a job, which sweeps.
func TestNothingOfOthersIsTouched(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	f := foreign(t)
	whole(t, f, "planting")
	for _, command := range []string{
		"gc", "gc --caches --older-than 0s", "gc --held", "pool drain", "drain --timeout 0s", "mirror remove", "seed remove",
	} {
		if code, said := admin(t, "", strings.Fields(command)...); code != 0 {
			t.Errorf("%s: %s", command, said)
		}
		whole(t, f, command)
	}
	// The demo and the benchmark have no settings.
	if out, err := exec.CommandContext(t.Context(), world.Binary, "--settings", os.DevNull, "gc").CombinedOutput(); err != nil {
		t.Errorf("gc: %v\n%s", err, out)
	}
	whole(t, f, "gc without settings")
}

// The programs are those of make test-runner, make demo, make chaos and make bench, each in its
// shortest form. A stand-in plays GitLab Runner.
func TestProgramsTouchNothingOfOthers(t *testing.T) {
	if !long() {
		return // make test-engines runs them, and the test above has their commands
	}
	f := foreign(t)
	dir := t.TempDir()
	build := func(name string, how ...string) string {
		out := filepath.Join(dir, name)
		cmd := exec.CommandContext(t.Context(), "go", append(append(how, "-o", out), "./"+name)...)
		cmd.Dir = "../.."
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, text)
		}
		return out
	}
	runner := build("test/apirunner", "build")
	for name, args := range map[string][]string{
		"scripts/demo":       {"-executor", world.Binary},
		"scripts/runnertest": {"-executor", world.Binary, "-runner", runner, "-image-helper"},
		"scripts/bench":      {"-executor", world.Binary, "-only", "A", "-rounds", "1", "-o", filepath.Join(dir, "bench.json")},
		"test/chaos":         {"-test.run", "TestChaos", "-rounds", "1", "-hits", "1", "-restart-engine=false"},
	} {
		how := []string{"build"}
		if name == "test/chaos" {
			how = []string{"test", "-c"}
		}
		ctx, cancel := context.WithTimeout(t.Context(), rig.Slower(10*time.Minute))
		cmd := exec.CommandContext(ctx, build(name, how...), args...)
		if cmd.Dir = "../.."; name == "test/chaos" {
			cmd.Dir = "../chaos"
		}
		var said strings.Builder
		cmd.Stdout, cmd.Stderr = &said, &said
		if err := cmd.Run(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, said.String())
		}
		cancel()
		whole(t, f, name)
	}
}
