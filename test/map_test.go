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

// executor/doc.go is the map of its folder. It names each file except files with a command's
// name, and no file that is missing.
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
		if file := c + ".go"; !slices.Contains(there, file) && !slices.Contains(inContainers, c) && !slices.Contains(behindHooks, c) && c != "completion" && c != "help" && c != "version" {
			t.Errorf("the command %s has no file %s", c, file)
		}
	}
}

// behindHooks are the commands of executor/behind.go.
var behindHooks = []string{"finish", "settle"}

// inContainers are the commands of executor/incontainer.go.
var inContainers = []string{"clear-data-root", "copy-data-root", "empty-volume", "plant-seed", "relay-names", "seal-seed"}

// driver/doc.go is the map of its folder and of the rooms below. It names each file and each
// room.
func TestTheMapOfTheDriverNamesItsFilesAndRooms(t *testing.T) {
	text, err := os.ReadFile("../driver/doc.go")
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadDir("../driver")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, f := range list {
		name := f.Name()
		if !f.IsDir() && (!strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || name == "doc.go") {
			continue
		}
		there[name] = true
		if !regexp.MustCompile(`(?m)\b` + regexp.QuoteMeta(name) + `\b`).Match(text) {
			t.Errorf("driver/doc.go does not say what %s is for", name)
		}
	}
	for _, name := range regexp.MustCompile(`\b[a-z]+\.go\b`).FindAllString(string(text), -1) {
		below, err := filepath.Glob("../driver/*/" + name)
		if err != nil || !there[name] && len(below) == 0 {
			t.Errorf("driver/doc.go names %s, which is not there", name)
		}
	}
}

// A folder with more files has several things in it.
func TestNoFolderHoldsTooManyFiles(t *testing.T) {
	const most = 35
	count := map[string]int{}
	err := filepath.WalkDir("..", func(path string, f os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			count[filepath.Dir(path)]++
		}
		return err
	})
	if err != nil || len(count) < 20 {
		t.Fatalf("%d folders (%v)", len(count), err)
	}
	for dir, n := range count {
		if n > most {
			t.Errorf("%s holds %d files besides tests, more than %d: make a room of what belongs together", dir, n, most)
		}
	}
}
