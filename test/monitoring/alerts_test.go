package monitoring

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestAlertRules(t *testing.T) {
	t.Parallel()
	at := programs(t)
	for _, args := range [][]string{{"check", "rules", "alerts.yml"}, {"test", "rules", "alerts_test.yml"}} {
		cmd := exec.Command(filepath.Join(at, "promtool"), args...)
		cmd.Dir = files
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	rules := read(t, "alerts.yml")
	tests := read(t, "alerts_test.yml")
	for _, m := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(rules, -1) {
		if !strings.Contains(tests, m[1]) {
			t.Errorf("no test of alert %s", m[1])
		}
	}
}

// A person woken by an alert finds the things to look at.
func TestEachAlertHasItsSection(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(root + "/docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	rules := strings.Split(read(t, "alerts.yml"), "- alert: ")[1:]
	if len(rules) < 12 {
		t.Fatalf("only %d alerts", len(rules))
	}
	for _, rule := range rules {
		name, _, _ := strings.Cut(rule, "\n")
		if !strings.Contains(rule, "runbook_url: docs/monitoring.md#"+strings.ToLower(name)+"\n") {
			t.Errorf("%s names no section", name)
		}
		_, section, found := strings.Cut(string(page), "\n### "+name+"\n")
		section, _, _ = strings.Cut(section, "\n### ")
		if !found || !strings.Contains(section, "```sh\n") {
			t.Errorf("docs/monitoring.md has no section with commands for %s", name)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^### (Dind\w+)$`).FindAllStringSubmatch(string(page), -1) {
		if !strings.Contains(read(t, "alerts.yml"), "- alert: "+m[1]+"\n") {
			t.Errorf("docs/monitoring.md has a section for %s, which is no alert", m[1])
		}
	}
}
