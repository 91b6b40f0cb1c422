package test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/executor/featureflags"
)

// provedBy are the tests of the flags that this program heeds or comments on.
var provedBy = map[string]string{
	featureflags.DisableUmask:     "TestFeatureFlagsOfTheDockerExecutor, TestAJobsFilesAreGivenToItsUser, TestGivingFollowsNoLink",
	featureflags.UseInit:          "TestFeatureFlagsOfTheDockerExecutor, TestWhoHasAnInitProcess",
	featureflags.NativeStop:       "TestAScriptThatIsStoppedByItsFirstProcess",
	featureflags.NetworkPerBuild:  "TestTwoJobsAtOnceDoNotSeeEachOther",
	"FF_CONCRETE":                 "TestFeatureFlagsOfTheDockerExecutor",
	"FF_SCRIPT_TO_STEP_MIGRATION": "TestFlagsThatAJobMisses",
	"FF_SUSPENDABLE_ENVIRONMENTS": "TestFlagsThatAJobMisses",
}

// docs/parity.md has a row for every flag of the Runner, and each row says what the program
// does with the flag.
func TestEveryFlagOfTheRunnerHasARow(t *testing.T) {
	doc, err := os.ReadFile("../docs/parity.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(doc), "## Feature flags of the Runner\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var there, want []string
	for line := range strings.SplitSeq(section, "\n") {
		if strings.HasPrefix(line, "| `FF_") {
			there = append(there, line)
		}
	}
	for _, f := range featureflags.All() {
		docker, proof := "yes", provedBy[f.Name]
		switch f.Answer {
		case featureflags.ByRunner:
			docker, proof = "by the Runner", "not verified: the Runner and its scripts do it, whatever the executor"
		case featureflags.Foreign:
			docker, proof = "nothing", "not verified: it is not for the docker executor either"
		case featureflags.Honoured, featureflags.Always, featureflags.Lacking:
		}
		if f.Default {
			docker += ", on by default"
		}
		want = append(want, fmt.Sprintf("| `%s` | %s | %s: %s | %s |", f.Name, docker, f.Answer, f.Text, proof))
	}
	if !slices.Equal(there, want) {
		t.Errorf("docs/parity.md should have these rows:\n%s", strings.Join(want, "\n"))
	}
}
