package test

import (
	"testing"

	_ "gitlab-dind-executor/executor" // all packages with patterns
	"gitlab-dind-executor/pattern"
)

// A wrong pattern would end a hook, and only on the pattern's first use.
func TestPatternsOfTheProgramCompile(t *testing.T) {
	for _, err := range pattern.Wrong() {
		t.Error(err)
	}
}
