package test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/executor"
)

// executor/doc.go is the map of its folder: each file is on it, but those that a
// command's name leads to, and it names no other.
func TestTheMapOfTheExecutorNamesItsFiles(t *testing.T) {
	files, err := filepath.Glob("../executor/*.go")
	if err != nil || len(files) < 20 {
		t.Fatalf("only %d files (%v)", len(files), err)
	}
	text, err := os.ReadFile("../executor/doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var commands []string
	for _, c := range executor.Commands().Commands() {
		commands = append(commands, c.Name())
	}
	named := regexp.MustCompile(`\b[a-z]+\.go\b`).FindAllString(string(text), -1)
	var there []string
	for _, f := range files {
		name := filepath.Base(f)
		if strings.HasSuffix(name, "_test.go") || name == "doc.go" {
			continue
		}
		there = append(there, name)
		ofCommand := slices.ContainsFunc(commands, func(c string) bool { return name == c+".go" })
		if !ofCommand && !slices.Contains(named, name) {
			t.Errorf("executor/doc.go does not say what %s is for", name)
		}
	}
	for _, name := range named {
		if !slices.Contains(there, name) {
			t.Errorf("executor/doc.go names %s, which is not there", name)
		}
	}
	for _, c := range commands {
		if file := c + ".go"; !slices.Contains(there, file) && !slices.Contains(inContainers, c) && c != "completion" && c != "help" {
			t.Errorf("the command %s has no file %s", c, file)
		}
	}
}

// inContainers are the commands of executor/incontainer.go.
var inContainers = []string{"clear-data-root", "empty-volume", "plant-seed", "seal-seed"}
