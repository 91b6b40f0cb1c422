package test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every row of docs/parity.md names an existing test, or says why there is none.
func TestEveryRowOfTheParityTableHasATest(t *testing.T) {
	doc, err := os.ReadFile("../docs/parity.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := declaredTests(t)
	rows := 0
	for i, line := range strings.Split(string(doc), "\n") {
		cells := strings.Split(strings.Trim(line, "| "), "|")
		if !strings.HasPrefix(line, "|") || len(cells) != 4 || strings.HasPrefix(cells[0], "---") || strings.TrimSpace(cells[3]) == "test" {
			if strings.HasPrefix(line, "|") && len(cells) != 4 {
				t.Errorf("line %d: %d cells, want 4", i+1, len(cells))
			}
			continue
		}
		rows++
		proof := strings.TrimSpace(cells[3])
		if why, ok := strings.CutPrefix(proof, "not verified: "); ok && why != "" {
			continue
		}
		for _, name := range strings.Split(proof, ", ") {
			if !tests[name] {
				t.Errorf("line %d: there is no test %q", i+1, name)
			}
		}
	}
	if rows < 40 {
		t.Errorf("only %d rows were found", rows)
	}
}

// declaredTests are the names of all tests and fuzz targets of this module.
func declaredTests(t *testing.T) map[string]bool {
	t.Helper()
	tests := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(\w+ \*testing\.[TF]\)`)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		src, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(src, -1) {
			tests[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}

// Each key of the docker executor has a row in docs/parity.md, and each row has a key.
func TestEveryKeyOfTheDockerExecutorHasARow(t *testing.T) {
	names, err := os.ReadFile("../executor/runnerconfig/testdata/runners-docker-keys.txt")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../docs/parity.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(doc), "\n## Keys of `[runners.docker]`\n")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\|").FindAllStringSubmatch(section, -1) {
		rows[m[1]] = true
	}
	for name := range strings.Lines(string(names)) {
		name = strings.TrimSpace(name)
		if strings.HasPrefix(name, "#") {
			continue
		}
		if !rows[name] {
			t.Errorf("docs/parity.md has no row for %s", name)
		}
		delete(rows, name)
	}
	for name := range rows {
		t.Errorf("docs/parity.md has a row for %s, which is no key", name)
	}
}
