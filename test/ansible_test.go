package test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"gitlab-dind-executor/config"
)

const (
	playbooks = "../scripts/ansible"
	role      = playbooks + "/roles/gitlab_dind_executor"
)

// readYAML reads a file as far as value's type says.
func readYAML(t *testing.T, name string, value any) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err == nil {
		err = yaml.Unmarshal(text, value)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return string(text)
}

// The role runs on a machine of test/host. This test finds faults for which no host is needed.
func TestTheRoleForAnsibleIsSound(t *testing.T) {
	var defaults map[string]any
	readYAML(t, role+"/defaults/main.yml", &defaults)
	var texts strings.Builder
	err := filepath.WalkDir(playbooks, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		var value any
		text := readYAML(t, name, &value)
		if !strings.HasPrefix(text, "---\n") {
			t.Errorf("%s does not begin with ---", name)
		}
		if !strings.HasSuffix(name, "defaults/main.yml") {
			texts.WriteString(text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	// Each variable has a default, and each default is of use.
	var known []string
	for _, m := range regexp.MustCompile(`register: (\w+)`).FindAllStringSubmatch(texts.String(), -1) {
		known = append(known, m[1])
	}
	used := regexp.MustCompile(`\bdind_\w+`).FindAllString(texts.String(), -1)
	for _, name := range used {
		if _, ok := defaults[name]; !ok && !slices.Contains(known, name) {
			t.Errorf("the role uses %s, which has no default", name)
		}
	}
	for name := range defaults {
		if !slices.Contains(used, name) {
			t.Errorf("the default of %s is of no use", name)
		}
	}

	for _, m := range regexp.MustCompile(`include_tasks: (\S+)`).FindAllStringSubmatch(texts.String(), -1) {
		if _, err := os.Stat(filepath.Join(role, "tasks", m[1])); err != nil {
			t.Error(err)
		}
	}
	list, _ := defaults["dind_units"].([]any)
	for _, unit := range list {
		if name, _ := unit.(string); !slices.Contains(units(t), name) {
			t.Errorf("scripts/systemd has no unit %v", unit)
		}
	}
	commands := regexp.MustCompile(`(?m)command: gitlab-dind-executor (.*)$`).FindAllStringSubmatch(texts.String(), -1)
	for _, m := range commands {
		if err := knownCommand(strings.Fields(m[1])); err != nil {
			t.Error(err)
		}
	}
	for _, m := range regexp.MustCompile(`argv:\n((?: +- .*\n)+)`).FindAllStringSubmatch(texts.String(), -1) {
		var words []string
		if err := yaml.Unmarshal([]byte(m[1]), &words); err != nil {
			t.Fatal(err)
		}
		if err := knownCommand(words[1:]); words[0] != programName || err != nil {
			t.Errorf("%q: %v", words, err)
		}
		commands = append(commands, nil)
	}
	if len(list) < 5 || len(commands) < 3 {
		t.Errorf("only %d units and %d commands were found", len(list), len(commands))
	}
}

func TestTheExampleOfAnInventoryHasSettings(t *testing.T) {
	var file struct {
		Dind struct{ Vars map[string]any }
	}
	readYAML(t, playbooks+"/hosts.example.yml", &file)
	settings, _ := file.Dind.Vars["dind_settings"].(string)
	if settings == "" {
		t.Fatal("it has none")
	}
	if _, err := config.Parse("dind_settings", []byte(settings)); err != nil {
		t.Error(err)
	}
}

// A stop of the Runner waits for its jobs on hosts of each origin alike.
func TestTheRunnersStopIsGracefulEverywhere(t *testing.T) {
	const lines = "[Unit]\nAfter=docker.service\n[Service]\nKillSignal=SIGQUIT\nKillMode=mixed\nExecStopPost=-/usr/bin/env gitlab-dind-executor gc\nTimeoutStopSec="
	plain := regexp.MustCompile(`(?m)^ +`)
	for _, name := range []string{"../docs/operations.md", "../docs/many-hosts.md", role + "/tasks/graceful.yml"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(plain.ReplaceAllString(string(text), ""), lines) {
			t.Errorf("%s does not say\n%s", name, lines)
		}
	}
}
