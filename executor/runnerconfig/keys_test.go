package runnerconfig

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Exactly the Runner's own keys have a rule.
func TestEveryKeyOfTheDockerExecutorHasARule(t *testing.T) {
	text, err := os.ReadFile("testdata/runners-docker-keys.txt")
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") {
			keys = append(keys, line)
		}
	}
	if len(keys) < 70 {
		t.Fatalf("only %d keys", len(keys))
	}
	for _, key := range keys {
		if dockerKeys[key] == nil {
			t.Errorf("%s has no rule", key)
		}
	}
	for _, key := range sorted(dockerKeys) {
		if !slices.Contains(keys, key) {
			t.Errorf("%s is no key of the Runner's", key)
		}
	}
}
