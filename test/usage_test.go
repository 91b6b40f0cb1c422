package test

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"gitlab-dind-executor/executor"
)

// The help of a command without a group or an example has a hole that nothing else shows.
func TestEveryCommandInTheHelpHasAGroupAndAnExample(t *testing.T) {
	known := commands{}
	examples := 0
	var walk func(*cobra.Command)
	walk = func(parent *cobra.Command) {
		for _, cmd := range parent.Commands() {
			path := cmd.CommandPath()
			if cmd.Hidden {
				if cmd.HasExample() {
					t.Errorf("%s is not in the help and has an example", path)
				}
				continue
			}
			if top := !parent.HasParent(); top != (cmd.GroupID != "") {
				t.Errorf("%s has the group %q", path, cmd.GroupID)
			}
			if cmd.GroupID == "hooks" {
				checkHook(t, cmd)
				continue
			}
			for line := range strings.Lines(cmd.Example + "\n") {
				ours, err := known.check(line)
				if err != nil || ours == 0 || !strings.Contains(line, path) {
					t.Errorf("%s has the example %q: %v", path, line, err)
				}
				examples++
			}
			walk(cmd)
		}
	}
	walk(executor.Commands())
	if examples < 20 {
		t.Errorf("only %d examples were found", examples)
	}
}

// checkHook reads the example of a hook, which is a line of the Runner's config.toml.
func checkHook(t *testing.T, cmd *cobra.Command) {
	t.Helper()
	name := cmd.Name()
	for _, want := range []string{name + "_exec = ", name + `_args = ["` + name + `"]`} {
		if !strings.Contains(cmd.Example, want) {
			t.Errorf("the example of %s is without %s: %q", name, want, cmd.Example)
		}
	}
}
