package featureflags

import (
	"slices"
	"strings"
	"testing"

	runner "gitlab.com/gitlab-org/gitlab-runner/helpers/featureflags"
)

// old are flags of Runners from 16.11 on that later Runners no longer have.
var old = []string{
	"FF_RETRIEVE_POD_WARNING_EVENTS", "FF_SET_PERMISSIONS_BEFORE_CLEANUP", "FF_SKIP_NOOP_BUILD_STAGES", "FF_USE_NEW_BASH_EVAL_STRATEGY",
}

// The list is the Runner's own, with its defaults.
func TestEveryFlagOfTheRunnerHasAnAnswer(t *testing.T) {
	theirs := map[string]bool{}
	for _, f := range runner.GetAll() {
		theirs[f.Name] = true
		ours, known := Known(f.Name)
		if !known {
			t.Errorf("%s is not known; its default is %v", f.Name, f.DefaultValue)
		} else if ours.Default != f.DefaultValue {
			t.Errorf("the default of %s is %v", f.Name, f.DefaultValue)
		}
	}
	if len(theirs) < 50 {
		t.Fatalf("the Runner has only %d flags", len(theirs))
	}
	for _, f := range All() {
		if !theirs[f.Name] && !slices.Contains(old, f.Name) {
			t.Errorf("no Runner has %s", f.Name)
		}
		if f.Text == "" || f.Answer == "" {
			t.Errorf("%s says nothing", f.Name)
		}
	}
	if !slices.IsSortedFunc(All(), func(a, b Flag) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the flags are not in the order of their names")
	}
}

func TestAFlagIsOnAsTheRunnerTakesIt(t *testing.T) {
	for value, want := range map[string]bool{"true": true, "1": true, "T": true, "false": false, "0": false, "": false, "yes": false, "on": false, " true": false} {
		if got := On(DisableUmask, func(string) string { return value }); got != want {
			t.Errorf("%q is %v", value, got)
		}
	}
	for value, want := range map[string]bool{"false": false, "no": true, "": true} {
		if got := On("FF_TIMESTAMPS", func(string) string { return value }); got != want {
			t.Errorf("by default on, %q is %v", value, got)
		}
	}
}

// Only flags that the docker executor would heed are missed, and only where a job has set
// them.
func TestFlagsThatAJobMisses(t *testing.T) {
	everything := func(string) string { return "true" }
	var names []string
	for _, f := range Missed(everything) {
		names = append(names, f.Name)
	}
	if want := []string{"FF_CONCRETE", "FF_SCRIPT_TO_STEP_MIGRATION", "FF_SUSPENDABLE_ENVIRONMENTS"}; !slices.Equal(names, want) {
		t.Errorf("missed: %q", names)
	}
	if missed := Missed(func(key string) string {
		f, _ := Known(key)
		return map[bool]string{true: "true", false: "false"}[f.Default]
	}); len(missed) > 0 {
		t.Errorf("with all defaults it misses %+v", missed)
	}
}
