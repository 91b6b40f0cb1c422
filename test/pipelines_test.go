package test

import (
	"path/filepath"
	"strings"
	"testing"

	"mvdan.cc/sh/v3/syntax"
)

// Pipelines to include are YAML, and a POSIX shell reads their scripts. test/e2e tries their
// work.
func TestPipelinesToIncludeAreSound(t *testing.T) {
	files, err := filepath.Glob("../scripts/pipelines/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are none: %v", err)
	}
	for _, name := range files {
		var jobs map[string]struct {
			Image     string
			Variables map[string]string
			Script    []string
		}
		readYAML(t, name, &jobs)
		for job, is := range jobs {
			if !strings.HasPrefix(job, ".") || is.Image == "" || len(is.Script) == 0 {
				t.Errorf("%s: %s is no hidden job with an image and a script", name, job)
			}
			script := strings.Join(is.Script, "\n")
			if _, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(script), job); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for variable := range is.Variables {
				if !strings.Contains(script, "$"+variable) {
					t.Errorf("%s: the script does not use $%s", name, variable)
				}
			}
		}
	}
}
