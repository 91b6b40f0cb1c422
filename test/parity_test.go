package test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every row of docs/parity.md names a test that there is, or says why there is
// none.
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
